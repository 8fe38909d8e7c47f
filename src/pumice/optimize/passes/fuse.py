"""Fewer, larger nodes with the same answers: by ONNX Runtime's own optimizer, its one for transformers, or onnxslim."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from pumice.domain.errors import MissingDependency
from pumice.optimize.passes.base import Supplies
from pumice.optimize.passes.onnx_pass import INSTALL, OnnxPass, import_onnx


class FuseOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who fuses, and what.

    Attributes:
        tool: ``onnxslim`` folds constants and drops what is dead, in standard operators. ``onnxruntime`` does what the
            runtime does when it loads the model, once and for all; the result has its own operators. ``transformers``
            knows the patterns of BERT-like graphs (attention, layer norm with its sum, GELU with its bias).
        model_type: What ``transformers`` looks for.
        heads: Attention heads, for ``transformers``; 0: found in the graph.
        hidden_size: Width of the layers, for ``transformers``; 0: found in the graph.
    """

    tool: Literal["onnxslim", "onnxruntime", "transformers"] = "onnxslim"
    model_type: Literal["bert", "bart", "clip", "gpt2", "t5", "unet", "vae", "conformer"] = "bert"
    heads: Annotated[int, msgspec.Meta(ge=0)] = 0
    hidden_size: Annotated[int, msgspec.Meta(ge=0)] = 0


class Fuse(OnnxPass[FuseOptions]):
    """Fuses the nodes of an ONNX model; nothing is approximated."""

    name: ClassVar[str] = "fuse"
    summary: ClassVar[str] = "fewer and larger nodes, the same answers"
    options_type: ClassVar[type[msgspec.Struct]] = FuseOptions

    def rewrite(self, source: Path, target: Path, supplies: Supplies) -> None:
        """Write the fused model.

        Raises:
            MissingDependency: The extra ``optimize`` is not installed.
        """
        del supplies
        import_onnx(f"the pass '{self.name}'")
        {"onnxslim": _slim, "onnxruntime": _load_and_keep, "transformers": self._by_pattern}[self.options.tool](
            source, target
        )

    def _by_pattern(self, source: Path, target: Path) -> None:
        from onnxruntime.transformers import optimizer

        model = optimizer.optimize_model(
            str(source),
            model_type=self.options.model_type,
            num_heads=self.options.heads,
            hidden_size=self.options.hidden_size,
            opt_level=0,  # the runtime's own fusions would hide the patterns
        )
        model.save_model_to_file(str(target))


def _slim(source: Path, target: Path) -> None:
    import onnx

    try:
        import onnxslim
    except ImportError:
        raise MissingDependency("the pass 'fuse'", "onnxslim", INSTALL) from None
    onnx.save(onnxslim.slim(onnx.load(source)), target)


def _load_and_keep(source: Path, target: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # the level above lays weights out for this very processor
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
