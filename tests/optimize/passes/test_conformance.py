"""Every built-in pass from ONNX to ONNX, put through the public suite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pumice.engines.processor import this_processor
from pumice.optimize.passes.conformance import Case, PassConformance
from pumice.optimize.passes.fp16 import Fp16
from pumice.optimize.passes.fuse import Fuse
from pumice.optimize.passes.int8_dynamic import Int8Dynamic
from pumice.optimize.passes.int8_static import Int8Static
from pumice.optimize.passes.weight_only import WeightOnly
from tests.optimize.passes.models import bag_inputs, digit_network, digits, two_inputs, weights_beside


class _Tiny(PassConformance):
    tolerance: float = 0.05
    row_tolerance: float = 1e-4

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        images = {"x": digits()[0][:32]}
        given = (
            ("constants", digit_network(folder / "constants", constants=True), images),
            ("two inputs", two_inputs(folder / "two"), bag_inputs()),
            ("weights beside", weights_beside(folder / "beside"), images),
        )
        suited = cls.kind.suited(this_processor())
        for name, source, inputs in given:
            yield Case(name, source, inputs, suited, tolerance=cls.tolerance, row_tolerance=cls.row_tolerance)


class TestInt8Dynamic(_Tiny):
    kind = Int8Dynamic
    tolerance = 0.1
    row_tolerance = 0.1


class TestInt8Static(_Tiny):
    kind = Int8Static
    tolerance = 0.1

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        yield from super().cases(folder)
        images = {"x": digits()[0][:32]}
        options: dict[str, object]
        for way in ("entropy", "percentile"):
            options = {"calibration": way, "per_channel": False, "reduce_range": True}
            yield Case(way, digit_network(folder / way), images, options, tolerance=0.1)
        options = {"nodes_left_out": ["first"], "reduce_range": True, "activations": "int8"}
        yield Case("left out", digit_network(folder / "left"), images, options, tolerance=0.1)


class TestFp16(_Tiny):
    kind = Fp16
    tolerance = 0.005
    row_tolerance = 0.002


class TestWeightOnly(_Tiny):
    kind = WeightOnly
    tolerance = 0.2

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        yield from super().cases(folder)
        yield Case("8 bits", two_inputs(folder / "8"), bag_inputs(), {"bits": 8, "symmetric": False}, tolerance=0.02)
        options = {"embeddings": True, "block_size": 16}
        yield Case("embeddings", two_inputs(folder / "table"), bag_inputs(), options, tolerance=0.2)


class TestFuse(_Tiny):
    kind = Fuse
    tolerance = 1e-5

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        yield from super().cases(folder)
        for tool in ("onnxruntime", "transformers"):
            images = {"x": digits()[0][:32]}
            yield Case(tool, digit_network(folder / tool), images, {"tool": tool}, tolerance=1e-5)
