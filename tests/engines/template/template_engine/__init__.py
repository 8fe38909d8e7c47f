"""An engine of a third party, as small as can be: it adds the number in a ``.template`` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature, Tensor
from pumice.engines.base import Engine, EngineConfig, Traits


class TemplateEngine(Engine):
    """Adds a number to every element of ``x``."""

    name = "template"
    platform = "template_text"
    suffixes = (".template",)

    def __init__(self, config: EngineConfig) -> None:
        try:
            self._number = np.float32(Path(config.path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadArtefact(config.path, f"it holds no number: {error}", "write one number into it") from error
        self.signature = Signature(inputs=[Tensor("x", "FP32", [-1, 2])], outputs=[Tensor("y", "FP32", [-1, 2])])
        self.traits = Traits()

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Add."""
        del parameters
        return {"y": inputs["x"] + self._number}
