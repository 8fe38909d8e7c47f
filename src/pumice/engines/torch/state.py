"""Weights of a torch module from safetensors, for Python models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pumice.domain.errors import BadArtefact, MissingDependency
from pumice.engines.safety import check_safetensors, refuse_unsafe

if TYPE_CHECKING:
    from torch import Tensor, nn

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"


def load_state(module: nn.Module, path: str | Path) -> None:
    """Load the weights of a module, all of them and nothing else.

    Args:
        module: The module; its parameters and buffers are filled in place, in their own dtype.
        path: A `.safetensors` file, or a folder with ``model.safetensors`` or with its parts and their
            ``model.safetensors.index.json``.

    Raises:
        BadArtefact: A file is not there or not whole, or its tensors are not those of the module.
        MissingDependency: safetensors is not installed.
        UnsafeArtefact: The file is a pickle.
    """
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingDependency(
            "load_state", f"torch and safetensors ({error})", "pip install 'pumice[torch]'"
        ) from error
    state: dict[str, Tensor] = {}
    for file in _files(Path(path)):
        refuse_unsafe(file)
        check_safetensors(file)
        state |= load_file(file)
    try:
        # tensors that the module shares are written once
        missing, unexpected = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        problem = str(error).strip().splitlines()[-1].strip()
        raise BadArtefact(str(path), f"its weights do not fit the module: {problem}", "give the module's own") from None
    missing = [name for name in missing if not _is_shared(module, name, state)]
    if missing or unexpected:
        problem = f"weights are missing ({missing[:3]}) or not the module's ({unexpected[:3]})"
        raise BadArtefact(str(path), problem, "give the module's own weights")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    index = path / _INDEX
    if not index.is_file():
        return [path / _SINGLE]
    try:
        parts = {str(part) for part in json.loads(index.read_bytes())["weight_map"].values()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadArtefact(str(index), f"it cannot be read ({type(error).__name__})", "copy it again") from None
    strange = [part for part in parts if Path(part).name != part]
    if strange:
        raise BadArtefact(str(index), f"it names '{strange[0]}'", "keep all parts in the folder")
    return [path / part for part in sorted(parts)]


def _is_shared(module: nn.Module, name: str, state: dict[str, Tensor]) -> bool:
    """Whether a tensor that was not in the files is the same memory as one that was."""
    own = module.state_dict(keep_vars=True)
    return any(other in state and own[other] is own[name] for other in own if other != name)
