"""From a ``.pt2`` program to ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from pumice.domain.errors import BadArtefact, MissingDependency
from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays, Signature, Tensor
from pumice.engines.base import EngineConfig
from pumice.engines.torch.arguments import read_interface
from pumice.engines.torch.engine import TorchEngine
from pumice.engines.torch.program import import_torch, load_program
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.export.check import refuse_different

_SIZES = ((1, 5), (2, 3), (3, 8))
"""Sizes of the first free axis of an input and of its others that are tried."""


def export_program(source: ModelFolder, target: Path, tolerance: float, seed: int) -> Manifest:
    """Write a program as ONNX, with the free axes and the names that it has.

    Args:
        source: The program.
        target: The ONNX file.
        tolerance: Largest difference of the answers, relative to their size.
        seed: Of the made-up inputs.

    Raises:
        BadArtefact: It cannot be exported, or answers otherwise afterwards.
        MissingDependency: torch or onnxscript is not installed.
    """
    torch = import_torch()
    try:
        import onnxscript  # noqa: F401 - torch asks for it half way
    except ImportError:
        raise MissingDependency("the export of torch programs", "onnxscript", _INSTALL) from None
    config = EngineConfig(source=str(source.path), path=str(source.model), manifest=source.manifest, provider="cpu")
    program = load_program(torch, config, "cpu")
    interface = read_interface(program, str(source.model))
    constant = [value for name, value in interface.inputs if not name]
    if constant:
        problem = f"it was exported with the fixed argument {constant[0]!r}"
        raise BadArtefact(str(source.model), problem, "export a module that takes tensors only")
    torch.onnx.export(
        program,
        (),
        str(target),
        input_names=[tensor.name for tensor in interface.signature.inputs],
        output_names=[tensor.name for tensor in interface.signature.outputs],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    engine = TorchEngine(config)
    try:
        # a signature that leaves outputs out counts for what is served, not for what is compared
        asked = made_up(interface.signature, seed)
        refuse_different(source.model, target, lambda batch: engine.run(batch, {}), asked, tolerance)
    finally:
        engine.close()
    return msgspec.structs.replace(source.manifest, format="onnx", model=target.name, options={})


def made_up(signature: Signature, seed: int) -> Iterator[Arrays]:
    """Inputs of several shapes; integers are small, since they are mostly numbers of rows in a table."""
    random = np.random.default_rng(seed)
    for rows, others in _SIZES:
        yield {tensor.name: _filled(tensor, rows, others, random) for tensor in signature.inputs}


def _filled(tensor: Tensor, rows: int, others: int, random: np.random.Generator) -> np.ndarray:
    free = [rows if axis == 0 else others for axis in range(len(tensor.shape))]
    shape = [size if size > 0 else free[axis] for axis, size in enumerate(tensor.shape)]
    if tensor.dtype.kind == "f":
        return random.normal(size=shape).astype(tensor.dtype)
    return random.integers(0, 2, size=shape).astype(tensor.dtype)


_INSTALL = "pip install 'pumice[transformers]'"
