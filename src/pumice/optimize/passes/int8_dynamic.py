"""INT8 by dynamic quantization: weights are stored as 8-bit integers, activations are scaled batch by batch.

Source: ONNX Runtime's ``quantize_dynamic``. It needs no calibration data. A row's answer can move with its
batch-mates, since they share a scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from pumice.domain.model import Parameter
from pumice.domain.processor import Processor
from pumice.optimize.passes.onnx_pass import SINGLE_WHERE_UNKNOWN
from pumice.optimize.passes.selection import Node, Wish, choose, read_nodes
from pumice.optimize.passes.selective import SelectivePass

OPS = ("MatMul", "Gemm", "Gather", "Conv", "Attention", "EmbedLayerNormalization", "LSTM")
"""Operators that ONNX Runtime quantizes this way."""


class Int8DynamicOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How weights become integers.

    Attributes:
        per_channel: One scale for each output channel of a weight instead of one for all of it; with one for all,
            MiniLM's embeddings turned by 15 degrees instead of 7.
        reduce_range: Use 7 of the 8 bits; for x86 processors without VNNI, whose 16-bit sums overflow otherwise.
        op_types: Operators to quantize; empty: all that can be.
        nodes_left_out: Names of nodes that stay as they are.
    """

    per_channel: bool = True
    reduce_range: bool = False
    op_types: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] = ()
    nodes_left_out: tuple[str, ...] = ()


class Int8Dynamic(SelectivePass[Int8DynamicOptions]):
    """Quantizes the weights of matrix products, convolutions and embeddings of an ONNX model."""

    name: ClassVar[str] = "int8-dynamic"
    summary: ClassVar[str] = "8-bit weights, activations scaled batch by batch; needs no data"
    options_type: ClassVar[type[msgspec.Struct]] = Int8DynamicOptions

    @classmethod
    def suited(cls, processor: Processor) -> Mapping[str, Parameter]:
        """Keep sums of 8-bit products from overflowing."""
        return {"reduce_range": True} if processor.sums_saturate else {}

    def nodes(self, ready: Path) -> list[Node]:
        """Nodes of a prepared model that are quantized."""
        wish = Wish(self.name, OPS, self.options.op_types, self.options.nodes_left_out)
        return choose(read_nodes(ready), wish, weighted=True)

    def quantize(self, ready: Path, target: Path, nodes: Sequence[Node]) -> None:
        """Quantize these nodes of a prepared model."""
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            ready,
            target,
            weight_type=QuantType.QInt8,
            per_channel=self.options.per_channel,
            reduce_range=self.options.reduce_range,
            op_types_to_quantize=sorted({_named(node).op for node in nodes}),
            nodes_to_quantize=[_named(node).name for node in nodes],
            extra_options=SINGLE_WHERE_UNKNOWN,
        )


def _named(node: Node) -> Node:
    """What a node is called when the quantizer looks at it: it has split Gemm by then."""
    return Node(f"{node.name}_MatMul", "MatMul", node.weighted) if node.op == "Gemm" else node
