"""Run an engine on any number of rows, whatever its own batch axis takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Parameter
from pumice.domain.outputs import OutputCheck
from pumice.domain.signature import Arrays, Tensor
from pumice.engines.base import Engine, EngineConfig
from pumice.runtime.worker.tasks.base import rows_can_be_joined

_FLOATS = ("FP32", "FP16", "FP64")


class RowRunner:
    """Runs an engine for a task that asks for one output, rows first.

    A graph whose batch axis is fixed gets exactly that many rows a run: the last ones are repeated to fill it up.

    Args:
        engine: The loaded model.
        config: What it was loaded with.
        output: The output that the task reads.
    """

    def __init__(self, engine: Engine, config: EngineConfig, output: Tensor) -> None:
        self._engine = engine
        self._output = output.name
        first = engine.signature.inputs[0].shape[0] if engine.signature.inputs[0].shape else -1
        joined = rows_can_be_joined(engine, config.manifest)
        self._fixed = first if first > 0 else None
        self._most = self._fixed or (None if joined else 1)
        # NaN is found where the rows become answers, and told by the row
        self._check = OutputCheck(config.label, engine.signature, batchable=joined, allow_nan=True)

    def run(self, inputs: Arrays, rows: int, parameters: Mapping[str, Parameter]) -> np.ndarray:
        """Run all rows.

        Args:
            inputs: Arrays [rows, ...].
            rows: Their number.
            parameters: The requests' own parameters.

        Returns:
            The output as FP32 [rows, ...].

        Raises:
            BadOutput: The model's answer is not what its signature says.
        """
        most = self._most
        if most is None or (rows == most == 1):
            return self._run(inputs, rows, parameters)
        parts = []
        for start in range(0, rows, most):
            part = {name: array[start : start + most] for name, array in inputs.items()}
            count = min(most, rows - start)
            if self._fixed and count < most:
                part = {
                    name: np.pad(a, [(0, most - count), *[(0, 0)] * (a.ndim - 1)], "edge") for name, a in part.items()
                }
            parts.append(self._run(part, most if self._fixed else count, parameters)[:count])
        return np.concatenate(parts)

    def _run(self, inputs: Arrays, rows: int, parameters: Mapping[str, Parameter]) -> np.ndarray:
        outputs = self._engine.run(inputs, parameters)
        self._check.check(outputs, rows)
        return outputs[self._output].astype(np.float32, copy=False)


def choose_output(engine: Engine, path: str, names: Iterable[str], ranks: Iterable[int]) -> Tensor:
    """Choose the output that a task reads.

    Args:
        engine: The loaded model.
        path: Its file, for messages.
        names: Names that the exporters give such outputs, the best first.
        ranks: Numbers of axes that will do, the best first.

    Raises:
        BadArtefact: There is none.
    """
    wanted = list(ranks)
    fitting = [t for t in engine.signature.outputs if t.datatype in _FLOATS and len(t.shape) in wanted]
    for name in names:
        for tensor in fitting:
            if tensor.name == name:
                return tensor
    for rank in wanted:
        for tensor in fitting:
            if len(tensor.shape) == rank:
                return tensor
    given = ", ".join(f"'{tensor.name}' {tensor}" for tensor in engine.signature.outputs)
    raise BadArtefact(
        path,
        f"no output suits the task: it needs floats of {' or '.join(map(str, wanted))} axes, given {given}",
        "set 'task' to 'tensor' in the manifest, or export the model with such an output",
    )
