"""Models that answer in parts: the caller speaks the model's own signature, and so does every part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.model import Parameter
from pumice.domain.outputs import OutputCheck
from pumice.domain.signature import zeros
from pumice.engines.base import Engine, EngineConfig, Parts


class StreamPipeline:
    """Passes tensors through, and holds every part against the signature.

    Args:
        engine: The loaded model.
        config: What it was loaded with.

    Raises:
        BadSetting: The manifest names a task that has one answer a row.
    """

    batchable = False

    def __init__(self, engine: Engine, config: EngineConfig) -> None:
        if config.manifest.task != "tensor":
            raise BadSetting("manifest 'task'", config.manifest.task, "'tensor' for a model that answers in parts")
        if config.manifest.batchable:
            raise BadSetting("manifest 'batchable'", "true", "false for a model that answers in parts")
        self.signature = engine.signature
        self.concurrency = max(1, engine.traits.concurrency)
        self._engine = engine
        self._check = OutputCheck(config.label, self.signature, batchable=False).check

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Run the model as far as its first part: the warm-up. A model that gives none answers with nothing."""
        with closing(self.stream(inputs, parameters)) as parts:
            return next(parts, {})

    def stream(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> Parts:
        """Run the model.

        Raises:
            BadOutput: While it is read: a part is not what the signature says.
        """
        return _Checked(self._engine.stream(inputs, parameters), self._check)

    def warm_inputs(self) -> dict[str, np.ndarray]:
        """What the engine knows as typical, or else zeros."""
        return self._engine.warm_inputs() or zeros(self.signature)


class _Checked(Parts):
    def __init__(self, parts: Parts, check: Callable[[dict[str, np.ndarray], int], None]) -> None:
        self._parts = parts
        self._check = check

    def __next__(self) -> dict[str, np.ndarray]:
        outputs = next(self._parts)
        self._check(outputs, 1)
        return outputs

    def close(self) -> None:
        self._parts.close()

    def cancel(self) -> None:
        self._parts.cancel()
