"""INT8 by static quantization: weights and activations are 8-bit integers, with scales found on typical inputs.

Source: ONNX Runtime's ``quantize_static`` in the form of Q/DQ pairs, which its optimizer fuses into integer kernels.
It suits convolutional networks. Transformers lose much by it (MiniLM's embeddings: cosine 0.94, with every operator
quantized 0.42): their activations have outliers that one scale for all cannot hold; dynamic quantization suits those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from pumice.domain.model import Parameter
from pumice.domain.processor import Processor
from pumice.optimize.passes.base import Supplies
from pumice.optimize.passes.calibration import METHODS, RANGES, Calibration, calibrate
from pumice.optimize.passes.onnx_pass import SINGLE_WHERE_UNKNOWN, raise_opset
from pumice.optimize.passes.selection import Node, Wish, choose, read_nodes
from pumice.optimize.passes.selective import SelectivePass

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that do the work; they are always quantized."""

BETWEEN = ("Add", "AveragePool", "Concat", "GlobalAveragePool", "MaxPool", "Mul", "Pad", "Relu", "Clip")
"""Operators between convolutions: left in floating point, they would cut the integer part of the graph in pieces."""

MORE = ("Gather", "LeakyRelu", "Reshape", "Resize", "Sigmoid", "Softmax", "Split", "Squeeze", "Transpose", "Unsqueeze")
"""Operators that can be quantized when they are asked for."""


_PER_CHANNEL_OPSET = 13
"""The first version of ONNX's operators in which scales may differ by channel."""


class Int8StaticOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How weights and activations become integers.

    Attributes:
        calibration: How the range of an activation is found: its extremes, the range that keeps its distribution, or
            all but the outermost values.
        percentile: Part of the values that ``percentile`` keeps (percent).
        per_channel: One scale for each output channel of a weight instead of one for all of it.
        reduce_range: Use 7 of the 8 bits of a weight; for x86 processors without VNNI, whose 16-bit sums overflow
            otherwise.
        activations: Kind of integer of the activations; ``uint8`` is fast on x86, ``int8`` on ARM.
        op_types: Operators to quantize; empty: products, and what stands between them in a convolutional network.
        nodes_left_out: Names of nodes that stay in floating point.
    """

    calibration: Calibration = "minmax"
    percentile: Annotated[float, msgspec.Meta(gt=50, le=100)] = 99.99
    per_channel: bool = True
    reduce_range: bool = False
    activations: Literal["uint8", "int8"] = "uint8"
    op_types: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] = ()
    nodes_left_out: tuple[str, ...] = ()


class Int8Static(SelectivePass[Int8StaticOptions]):
    """Quantizes weights and activations of an ONNX model, calibrated on typical inputs."""

    name: ClassVar[str] = "int8-static"
    summary: ClassVar[str] = "8-bit weights and activations, scales from typical inputs; for convolutional networks"
    options_type: ClassVar[type[msgspec.Struct]] = Int8StaticOptions
    needs_calibration: ClassVar[bool] = True

    @classmethod
    def suited(cls, processor: Processor) -> Mapping[str, Parameter]:
        """Keep sums of 8-bit products from overflowing; take the integers that the kernels are made for."""
        options: dict[str, Parameter] = {"reduce_range": True} if processor.sums_saturate else {}
        return options | ({"activations": "int8"} if processor.architecture == "aarch64" else {})

    def nodes(self, ready: Path) -> list[Node]:
        """Nodes of a prepared model that are quantized."""
        nodes = read_nodes(ready)
        convolutional = any(node.op in ("Conv", "ConvTranspose") for node in nodes)
        op_types = self.options.op_types or PRODUCTS + (BETWEEN if convolutional else ())
        wish = Wish(self.name, PRODUCTS + BETWEEN + MORE, op_types, self.options.nodes_left_out)
        return choose(nodes, wish, weighted=False)

    def prepare(self, source: Path, supplies: Supplies) -> Path:
        """Calibrate as well; the ranges lie beside the model afterwards."""
        ready = super().prepare(source, supplies)
        raise_opset(ready, _PER_CHANNEL_OPSET)
        ops = sorted({node.op for node in self.nodes(ready)})
        calibrate(ready, ops, self.options.calibration, self.options.percentile, supplies)
        return ready

    def quantize(self, ready: Path, target: Path, nodes: Sequence[Node]) -> None:
        """Quantize these nodes of a calibrated model."""
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        quantize_static(
            ready,
            target,
            quant_format=QuantFormat.QDQ,
            per_channel=self.options.per_channel,
            reduce_range=self.options.reduce_range,
            activation_type=QuantType.QUInt8 if self.options.activations == "uint8" else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[METHODS[self.options.calibration]],
            extra_options=SINGLE_WHERE_UNKNOWN,
            calibration_cache_path=ready.parent / RANGES,
            op_types_to_quantize=sorted({node.op for node in nodes}),
            nodes_to_quantize=[node.name for node in nodes],
        )
