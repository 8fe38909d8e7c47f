"""Weights of PyTorch: from what ``torch.save`` wrote to safetensors."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.engines.conversion.result import Converted

_INNER = ("state_dict", "model_state_dict", "module", "model", "weights", "params")
_WANTED = re.compile(r"GLOBAL ([\w.]+)")
_AGAIN = "save its state_dict() alone, as tensors by name, and convert that"


def to_safetensors(source: str, out: str, *, target: str, run_code: bool, script: bool) -> Converted:
    """Convert the weights in a file.

    Tensors that share memory are written under each of their names, so that all names are there; the store keeps equal
    bytes once.

    Args:
        source: A file of ``torch.save``, or TorchScript.
        out: Folder for the result.
        target: Name of the result.
        run_code: Whether pickled objects of any kind may be made; else tensors and plain containers alone.
        script: Whether it is TorchScript: only its weights are taken.

    Raises:
        BadArtefact: It holds no weights, or some that safetensors cannot hold.
        UnsafeArtefact: It holds objects, and `run_code` is not set.
    """
    import safetensors
    import torch

    loaded = torch.jit.load(source, map_location="cpu") if script else _load(source, run_code=run_code)  # type: ignore[no-untyped-call]
    notes: list[str] = []
    if isinstance(loaded, torch.nn.Module):
        kind = "TorchScript" if script else type(loaded).__name__
        notes.append(f"the code of the {kind} is not in the file: only its weights are")
        loaded = loaded.state_dict()
    state = _state(loaded, source, notes)
    count = write(state, Path(out) / target, source)
    libraries = {"torch": str(torch.__version__), "safetensors": safetensors.__version__}
    return Converted([target], f"{count} tensors, equal bit by bit", notes, libraries)


def folder_to_safetensors(source: str, out: str, *, shards: Mapping[str, str], run_code: bool) -> Converted:
    """Convert the weights of a Hugging Face folder, file by file.

    Args:
        source: The folder.
        out: Folder for the results.
        shards: Name of each file of weights -> name of its result.
        run_code: As `to_safetensors`.

    Raises:
        BadArtefact: As `to_safetensors`, or a name comes in two files.
        UnsafeArtefact: As `to_safetensors`.
    """
    import safetensors
    import torch

    notes: list[str] = []
    places: dict[str, str] = {}
    size = count = 0
    for name, target in shards.items():
        file = str(Path(source) / name)
        state = _state(_load(file, run_code=run_code), file, notes)
        twice = places.keys() & state.keys()
        if twice:
            raise BadArtefact(file, f"the tensor '{min(twice)}' is in another file too", "save the model again")
        count += write(state, Path(out) / target, file)
        places |= dict.fromkeys(state, target)
        size += sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    files = list(shards.values())
    if len(files) > 1:
        import msgspec

        index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(places.items()))}
        name = "model.safetensors.index.json"
        (Path(out) / name).write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=2))
        files.append(name)
    libraries = {"torch": str(torch.__version__), "safetensors": safetensors.__version__}
    return Converted(files, f"{count} tensors, equal bit by bit", notes, libraries)


def write(state: Mapping[str, Any], file: Path, source: str) -> int:
    """Write tensors, read them again, and hold them against the original.

    Returns:
        How many there are.
    """
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    seen: set[int] = set()
    plain = {}
    for name, tensor in state.items():
        _check(name, tensor, source)
        kept = tensor.detach().contiguous()
        place = kept.untyped_storage().data_ptr()
        plain[name] = kept.clone() if place in seen else kept
        seen.add(plain[name].untyped_storage().data_ptr())
    try:
        save_file(plain, file, metadata={"format": "pt"})
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadArtefact(source, f"safetensors cannot hold it ({str(error).splitlines()[0][:200]})", _AGAIN) from None
    with safe_open(file, framework="pt") as written:
        if set(written.keys()) != set(plain):
            raise BadArtefact(source, "the result has other names than the original", _AGAIN)
        for name, tensor in plain.items():
            again = written.get_tensor(name)
            same = again.dtype == tensor.dtype and again.shape == tensor.shape
            if not (same and torch.equal(_bytes(again), _bytes(tensor))):
                raise BadArtefact(source, f"the tensor '{name}' does not come back as it was", _AGAIN)
    return len(plain)


def _load(source: str, *, run_code: bool) -> Any:
    import torch

    try:
        return torch.load(source, map_location="cpu", weights_only=not run_code)
    except pickle.UnpicklingError as error:
        if run_code:
            raise
        wanted = _WANTED.search(str(error))
        found = f"a pickle with objects of its own{f' ({wanted[1]})' if wanted else ''}"
        mend = "if you trust its author, let its code run in the sandbox: --run-code"
        raise UnsafeArtefact(source, found, mend) from None


def _state(loaded: Any, source: str, notes: list[str]) -> dict[str, Any]:
    """Find the tensors by name in what was loaded."""
    import torch

    if isinstance(loaded, torch.Tensor):
        return {"tensor": loaded}
    if isinstance(loaded, torch.nn.Module):
        loaded = loaded.state_dict()
    if not isinstance(loaded, Mapping):
        raise BadArtefact(source, f"it holds a {type(loaded).__name__}, and no tensors by name", _AGAIN)
    inner = next((key for key in _INNER if isinstance(loaded.get(key), Mapping | torch.nn.Module)), None)
    if inner is not None:
        left = sorted(str(key) for key in loaded if key != inner)
        if left:
            notes.append(f"left out beside '{inner}': {', '.join(left)[:300]}")
        return _state(loaded[inner], source, notes)
    state = dict(_flat(loaded, ""))
    left = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if left:
        notes.append(f"left out, since it is no tensor: {', '.join(left)[:300]}")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BadArtefact(source, "it holds no tensors", _AGAIN)
    return tensors


def _flat(loaded: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in loaded.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _check(name: str, tensor: Any, source: str) -> None:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.dtype == torch.complex128 or tensor.is_meta:
        problem = f"the tensor '{name}' is {tensor.dtype}, {tensor.layout}, which safetensors cannot hold"
        raise BadArtefact(source, problem, "make it a dense tensor of plain numbers before it is saved")


def _bytes(tensor: Any) -> Any:
    import torch

    return tensor.reshape(-1).view(torch.uint8)
