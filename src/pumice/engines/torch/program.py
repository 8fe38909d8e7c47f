"""From a ``.pt2`` file to a module that can be called: loaded, on its device, in its dtype, compiled if asked."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact, BadSetting, MissingDependency
from pumice.engines.base import EngineConfig
from pumice.engines.safety import refuse_unsafe
from pumice.engines.torch.archive import checked_archive
from pumice.engines.torch.options import TorchOptions

_log = logging.getLogger("pumice.engines.torch")

_PROVIDERS = ("auto", "cpu", "cuda")
# what torch's autocast computes in the lower dtype: casting their weights once gives the same numbers every time
_CAST_USERS = ("linear", "addmm", "matmul", "bmm", "mm", "baddbmm", "conv1d", "conv2d", "conv3d", "convolution")


def import_torch() -> Any:
    """Import torch.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingDependency("the torch engine", f"torch ({error})", "pip install 'pumice[torch]'") from error
    return torch


def choose_device(torch: Any, provider: str, device: int) -> str:
    """Decide on the device: ``cuda:N`` if it is wanted or there, else ``cpu``.

    Raises:
        BadSetting: It is not there, or not torch's.
    """
    if provider not in _PROVIDERS:
        raise BadSetting("provider", repr(provider), f"{', '.join(_PROVIDERS)} for the torch engine")
    there = torch.cuda.device_count() if provider != "cpu" else 0
    if provider == "cuda" and not there:
        raise BadSetting("provider", "'cuda'", "cpu: this build of torch sees no CUDA device here")
    if device and device >= max(there, 1):
        raise BadSetting("device", str(device), f"0 to {max(there, 1) - 1}")
    return f"cuda:{device}" if there else "cpu"


def load_program(torch: Any, config: EngineConfig, device: str) -> Any:
    """Load an archive onto a device.

    Raises:
        BadArtefact: torch cannot load it.
        UnsafeArtefact: It may run code.
    """
    path = Path(config.path)
    refuse_unsafe(path)
    archive = checked_archive(path)
    try:
        program = torch.export.load(archive)
        if device != "cpu" or _devices(program) - {"cpu"}:
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device)
    except Exception as error:
        # what torch raises for a graph that it cannot read is of no kind of its own
        problem = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        mend = f"export it again with torch {torch.__version__.partition('+')[0]}"
        raise BadArtefact(str(path), f"torch cannot load it: {problem}", mend) from error
    return program


def build(torch: Any, program: Any, options: TorchOptions, device: str) -> tuple[Any, AbstractContextManager[Any]]:
    """Make a program callable.

    Returns:
        The module, and the context in which it is called.
    """
    context: AbstractContextManager[Any] = nullcontext()
    if options.dtype != "saved":
        dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float16
        if options.dtype == "fp16" and device == "cpu":
            _log.warning("FP16 on a processor is 2 to 4 times slower than FP32; 'bf16' or 'saved' is faster")
        _cast_weights(program, dtype, torch.float32)
        kind = device.partition(":")[0]
        context = torch.autocast(kind, dtype=dtype, cache_enabled=False)
    module = program.module()
    if options.compile:
        module = torch.compile(module, dynamic=True)
    return module, context


def _devices(program: Any) -> set[str]:
    return {tensor.device.type for tensor in (*program.state_dict.values(), *program.constants.values())}


def _cast_weights(program: Any, dtype: Any, wide: Any) -> None:
    """Cast the weights that are used by nothing but products and convolutions."""
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    holders = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in named]
    for node in holders:
        name = named[node.name]
        weight = program.state_dict.get(name)
        users = [user.target for user in node.users]
        if weight is None or weight.dtype != wide or not users or not all(map(_is_product, users)):
            continue
        weight.data = weight.data.to(dtype)


def _is_product(target: Any) -> bool:
    name: str = getattr(getattr(target, "overloadpacket", None), "__name__", "")
    return name in _CAST_USERS
