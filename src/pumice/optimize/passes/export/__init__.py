"""From torch programs and Hugging Face directories to ONNX, checked on numbers before anything is handed over."""

from pumice.optimize.passes.export.export import Export
from pumice.optimize.passes.export.options import ExportOptions

__all__ = ["Export", "ExportOptions"]
