"""Whether an exported model answers as the original does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays
from pumice.engines.base import EngineConfig
from pumice.engines.registry import load_engine
from pumice.optimize.passes.sameness import output_error


def refuse_different(
    source: Path, exported: Path, ask: Callable[[Arrays], Arrays], inputs: Iterable[Arrays], tolerance: float
) -> None:
    """Hold an exported model against the original.

    Args:
        source: The original, for messages.
        exported: The ONNX file.
        ask: Asks the original.
        inputs: What both are asked; of several shapes.
        tolerance: Largest difference, relative to the size of the answers.

    Raises:
        BadArtefact: They differ, or the exported model does not take a shape that the original takes.
    """
    manifest = Manifest(format="onnx")
    engine = load_engine(EngineConfig(source=str(exported), path=str(exported), manifest=manifest, provider="cpu"))
    try:
        for batch in inputs:
            expected = ask(batch)
            shapes = ", ".join(f"'{name}' {list(array.shape)}" for name, array in batch.items())
            try:
                answers = engine.run(batch, {})
            except Exception as error:
                line = next(iter(str(error).splitlines()), type(error).__name__)
                problem = f"as ONNX it does not take the inputs {shapes}: {line[:200]}"
                raise BadArtefact(str(source), problem, _MEND) from error
            error_size = output_error([expected], [answers])
            if not error_size <= tolerance:
                problem = f"as ONNX its answers to the inputs {shapes} are off by {error_size:.2g} of their size"
                raise BadArtefact(str(source), f"{problem} (allowed: {tolerance:g})", _MEND)
    finally:
        engine.close()


_MEND = "export it by hand, without control flow or shapes that depend on the input's values"
