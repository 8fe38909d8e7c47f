"""Task ``tensor``: the caller speaks the model's own signature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pumice.domain.datatypes import DATATYPE_NAMES
from pumice.domain.errors import BadOutput
from pumice.domain.model import Parameter
from pumice.domain.outputs import OutputCheck
from pumice.domain.request import EXPLAIN
from pumice.domain.signature import zeros
from pumice.engines.base import Engine, EngineConfig
from pumice.runtime.worker.tasks.base import rows_can_be_joined


class TensorPipeline:
    """Passes tensors through, and holds the answers against the signature.

    Args:
        engine: The loaded model.
        config: What it was loaded with.
    """

    def __init__(self, engine: Engine, config: EngineConfig) -> None:
        self.signature = engine.signature
        self.batchable = rows_can_be_joined(engine, config.manifest)
        self._engine = engine
        self._label = config.label
        self._run = engine.run
        allow_nan = config.manifest.allow_nan_outputs
        check = OutputCheck(config.label, self.signature, batchable=self.batchable, allow_nan=allow_nan)
        self._check = check.check

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Run the model and check what it answers.

        Raises:
            BadOutput: The answer is not what the signature says.
        """
        if EXPLAIN in parameters:
            return self._explain(inputs)
        outputs = self._run(inputs, parameters)
        self._check(outputs, len(next(iter(inputs.values()))) if self.batchable and inputs else 1)
        return outputs

    def _explain(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        told = self._engine.explain(inputs)
        rows = len(next(iter(inputs.values())))
        for name, array in told.items():
            strange = array.dtype.kind == "O" and any(type(item) is not bytes for item in array.flat)
            if strange or array.dtype not in DATATYPE_NAMES:
                raise BadOutput(self._label, f"explanation '{name}'", str(array.dtype), "a type of the protocol")
            if self.batchable and array.shape[:1] != (rows,):
                raise BadOutput(self._label, f"explanation '{name}'", str(list(array.shape)), f"{rows} rows")
        return told

    def warm_inputs(self) -> dict[str, np.ndarray]:
        """What the engine knows as typical, or else zeros."""
        return self._engine.warm_inputs() or zeros(self.signature)
