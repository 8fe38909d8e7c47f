"""The export pass."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import msgspec

from pumice.domain.model import Manifest
from pumice.optimize.passes.base import ModelFolder, Pass, Supplies
from pumice.optimize.passes.export.options import ExportOptions
from pumice.optimize.passes.onnx_pass import import_onnx, quiet

MODEL = "model.onnx"


class Export(Pass[ExportOptions]):
    """Writes a torch program (``.pt2``) or a Hugging Face directory as ONNX, with free batch and length.

    The new model and the old one answer the same made-up inputs of several shapes; where they differ, nothing is
    written. Of Hugging Face's models those that classify texts, embed texts or classify images are taken, from
    safetensors alone, and none that brings code of its own.
    """

    name: ClassVar[str] = "export"
    summary: ClassVar[str] = "a torch program or a Hugging Face directory as ONNX, checked on numbers"
    formats: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    options_type: ClassVar[type[msgspec.Struct]] = ExportOptions

    @classmethod
    def result_format(cls, given: str) -> str:
        """Always ONNX."""
        del given
        return "onnx"

    def transform(self, source: ModelFolder, folder: Path, supplies: Supplies) -> Manifest:
        """Write the ONNX model, and what else serving it takes.

        Raises:
            BadArtefact: The model cannot be exported, or answers otherwise afterwards.
            MissingDependency: The extra ``optimize`` or ``transformers`` is not installed.
        """
        import_onnx(f"the pass '{self.name}'")
        with quiet():
            if source.manifest.format == "torch":
                from pumice.optimize.passes.export.program import export_program

                return export_program(source, folder / MODEL, self.options.tolerance, supplies.seed)
            from pumice.optimize.passes.export.directory import export_directory

            return export_directory(source, folder / MODEL, self.options, supplies.seed)
