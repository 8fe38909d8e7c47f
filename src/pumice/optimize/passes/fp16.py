"""FP16: weights and sums take half the bytes.

Source: ONNX Runtime's ``transformers.float16``. On processors it saves size, not time: ONNX Runtime widens the numbers
before it computes with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec

from pumice.optimize.passes.base import Supplies
from pumice.optimize.passes.onnx_pass import OnnxPass, import_onnx
from pumice.optimize.passes.selection import Wish, choose, read_nodes


class Fp16Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes FP16.

    Attributes:
        keep_io_types: Inputs and outputs stay FP32, so that callers see no difference.
        op_types_left_out: Operators that stay FP32 besides those that have no FP16 kernel.
        nodes_left_out: Names of nodes that stay FP32.
    """

    keep_io_types: bool = True
    op_types_left_out: tuple[str, ...] = ()
    nodes_left_out: tuple[str, ...] = ()


class Fp16(OnnxPass[Fp16Options]):
    """Turns the FP32 numbers of an ONNX model into FP16."""

    name: ClassVar[str] = "fp16"
    summary: ClassVar[str] = "16-bit floating point: half the size, on processors no faster"
    options_type: ClassVar[type[msgspec.Struct]] = Fp16Options

    def rewrite(self, source: Path, target: Path, supplies: Supplies) -> None:
        """Write the smaller model.

        Raises:
            BadSetting: A node that is named is not there.
            MissingDependency: The extra ``optimize`` is not installed.
        """
        del supplies
        onnx = import_onnx(f"the pass '{self.name}'")
        from onnxruntime.transformers import float16

        nodes = read_nodes(source)
        every = sorted({node.op for node in nodes})
        choose(nodes, Wish(self.name, every, (), self.options.nodes_left_out), weighted=False)
        smaller = float16.convert_float_to_float16(
            onnx.load(source),
            keep_io_types=self.options.keep_io_types,
            op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *self.options.op_types_left_out],
            node_block_list=list(self.options.nodes_left_out),
        )
        onnx.save(smaller, target)
