"""4- or 8-bit weights that are widened when they are used: size, not speed.

Source: ONNX Runtime's ``MatMulNBits`` and ``GatherBlockQuantized``; one scale for each block of a weight's column.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from pumice.domain.errors import BadSetting, MissingDependency
from pumice.optimize.passes.onnx_pass import INSTALL, import_onnx
from pumice.optimize.passes.selection import Node, Wish, choose, read_nodes
from pumice.optimize.passes.selective import SelectivePass


class WeightOnlyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How weights become integers.

    Attributes:
        bits: Of each weight.
        block_size: Weights that share a scale.
        symmetric: Zero stays zero, and no zero points are stored.
        embeddings: Quantize the tables of embeddings too (4 bits only); they are most of a small language model.
        nodes_left_out: Names of nodes that stay as they are.
    """

    bits: Literal[4, 8] = 4
    block_size: Literal[16, 32, 64, 128, 256] = 32
    symmetric: bool = True
    embeddings: bool = False
    nodes_left_out: tuple[str, ...] = ()


class WeightOnly(SelectivePass[WeightOnlyOptions]):
    """Stores the weights of an ONNX model's matrix products in 4 or 8 bits."""

    name: ClassVar[str] = "weight-only"
    summary: ClassVar[str] = "4- or 8-bit weights, computed with in floating point: small, not fast"
    options_type: ClassVar[type[msgspec.Struct]] = WeightOnlyOptions

    def __init__(self, options: WeightOnlyOptions | None = None) -> None:
        super().__init__(options)
        if self.options.embeddings and self.options.bits != 4:
            key = f"option 'embeddings' of the pass '{self.name}'"
            raise BadSetting(key, f"true with {self.options.bits} bits", "true with 'bits' 4: there is no other kernel")

    def nodes(self, ready: Path) -> list[Node]:
        """Nodes of a prepared model that are quantized."""
        ops = ("MatMul", "Gemm", "Gather") if self.options.embeddings else ("MatMul", "Gemm")
        return choose(read_nodes(ready), Wish(self.name, ops, ops, self.options.nodes_left_out), weighted=True)

    def quantize(self, ready: Path, target: Path, nodes: Sequence[Node]) -> None:
        """Quantize these nodes of a prepared model.

        Raises:
            MissingDependency: The extra ``optimize`` is not installed.
        """
        onnx = import_onnx(f"the pass '{self.name}'")
        try:
            from onnxruntime.quantization import QuantFormat
            from onnxruntime.quantization import matmul_nbits_quantizer as library
            from onnxruntime.quantization.onnx_model import ONNXModel
        except ImportError:
            raise MissingDependency(f"the pass '{self.name}'", "onnx_ir and ml_dtypes", INSTALL) from None
        model = ONNXModel(onnx.load(ready))
        model.replace_gemm_with_matmul()  # the kernel is that of MatMul alone
        wanted = {node.name for node in nodes} | {f"{node.name}_MatMul" for node in nodes if node.op == "Gemm"}
        how: Any = library.DefaultWeightOnlyQuantConfig(
            block_size=self.options.block_size,
            is_symmetric=self.options.symmetric,
            accuracy_level=4,  # sums of 8-bit integers
            bits=self.options.bits,
            quant_format=QuantFormat.QOperator,
            op_types_to_quantize=("MatMul", "Gather") if self.options.embeddings else ("MatMul",),
            quant_axes=(("MatMul", 0), ("Gather", 1)),
        )
        others = [node.name for node in model.model.graph.node if node.name not in wanted]
        quantizer = library.MatMulNBitsQuantizer(model.model, algo_config=how, nodes_to_exclude=others)
        quantizer.process()
        quantizer.model.save_model_to_file(str(target), False)
