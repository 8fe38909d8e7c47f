"""Options of the export pass."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class ExportOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model becomes ONNX.

    Attributes:
        task: What a Hugging Face directory is for; ``auto``: what its architecture says.
        opset: Version of ONNX's operators, for Hugging Face directories; programs get torch's own choice.
        tolerance: Largest difference of the answers, relative to their size; above it the export is refused.
    """

    task: Literal["auto", "text-classification", "text-embedding", "image-classification"] = "auto"
    opset: Annotated[int, msgspec.Meta(ge=14, le=20)] = 17
    tolerance: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 1e-4
