"""INT8 by dynamic quantization: weights are stored as 8-bit integers, activations are scaled batch by batch.

Source: ONNX Runtime's ``quantize_dynamic``. Weights get one scale a channel; with one a tensor, MiniLM's embeddings
turned by 15 degrees instead of 7. It needs no calibration data.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from pumice.domain.errors import BadArtefact, MissingDependency
from pumice.engines.safety import check_external_data
from pumice.optimize.passes.base import Pass


class Int8Dynamic(Pass):
    """Quantizes the weights of matrix products, convolutions and embeddings of an ONNX model."""

    name: ClassVar[str] = "int8-dynamic"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)

    def transform(self, source: Path, target: Path) -> None:
        """Write the quantized model.

        Raises:
            BadArtefact: Its weights, in files beside it, are more than one file of ONNX can hold.
            MissingDependency: The extra ``optimize`` is not installed.
        """
        try:
            from onnxruntime.quantization import QuantType, quantize_dynamic
            from onnxruntime.quantization.shape_inference import quant_pre_process
        except ImportError:
            raise MissingDependency("quantization", "onnx and sympy", "pip install 'pumice[optimize]'") from None
        with tempfile.TemporaryDirectory(prefix="pumice-int8-") as folder, _no_chatter():
            prepared = Path(folder) / "prepared.onnx"
            if beside := check_external_data(source):
                source = _joined(source, beside, Path(folder) / "joined.onnx")
            # folds constants and infers shapes, so that weights behind a transpose are found
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantize_dynamic(prepared, target, weight_type=QuantType.QInt8, per_channel=True)


def _joined(source: Path, beside: Iterable[str], target: Path) -> Path:
    """Write a model with its weights in one file: the preparation looks for those beside a copy, where they are not.

    Raises:
        BadArtefact: They are too large for that.
    """
    import onnx

    size = sum((source.parent / name).stat().st_size for name in beside)
    if size + source.stat().st_size > onnx.checker.MAXIMUM_PROTOBUF:
        problem = f"its weights take {size:,} bytes"
        raise BadArtefact(str(source), problem, f"'int8-dynamic' takes at most {onnx.checker.MAXIMUM_PROTOBUF:,}")
    onnx.save(onnx.load(source), target)
    return target


@contextlib.contextmanager
def _no_chatter() -> Iterator[None]:
    """Keep the quantizer from logging a line a node."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
