"""What both text tasks share: tokenize a batch, run it in buckets of like length, put the rows back in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pumice.domain.model import Parameter
from pumice.domain.signature import Tensor
from pumice.engines.base import Engine, EngineConfig
from pumice.runtime.worker.tasks.buckets import plan_runs
from pumice.runtime.worker.tasks.rows import RowRunner
from pumice.runtime.worker.tasks.tokenizing import Tokenizing

TEXT = Tensor("text", "BYTES", [-1])
"""The served input of text tasks."""

_TYPICAL = "这家店的服务很好,下次还会来。 The parcel came in time."

Reduce = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From the model's output [rows, ...] and the token mask [rows, tokens] to one vector a row [rows, D]."""


class TextRunner:
    """Runs a graph of token tensors on texts.

    Args:
        engine: The loaded graph.
        config: What it was loaded with.
        output: The output that the task reads.

    Raises:
        SetupError: The graph, the tokenizer or the manifest does not suit.
    """

    def __init__(self, engine: Engine, config: EngineConfig, output: Tensor) -> None:
        self._tokenizing = Tokenizing(config, engine.signature)
        self._runner = RowRunner(engine, config, output)

    def run(self, texts: np.ndarray, parameters: Mapping[str, Parameter], reduce: Reduce) -> np.ndarray:
        """Run all texts.

        Args:
            texts: BYTES [rows].
            parameters: The requests' own parameters.
            reduce: Makes one vector of what the model gives for a row.

        Returns:
            FP32 [rows, D], in the order of the texts.

        Raises:
            MalformedInput: A text is not UTF-8.
            BadOutput: The model's answer is not what its signature says.
        """
        encodings = self._tokenizing.encode(texts)
        runs = plan_runs(np.array([len(encoding) for encoding in encodings]), pad=self._tokenizing.can_pad)
        parts = []
        for rows in runs:
            inputs, mask = self._tokenizing.feed([encodings[row] for row in rows])
            parts.append(reduce(self._runner.run(inputs, len(rows), parameters), mask))
        if len(parts) == 1:
            return parts[0]
        joined = np.empty((len(encodings), *parts[0].shape[1:]), dtype=np.float32)
        for rows, part in zip(runs, parts, strict=True):
            joined[rows] = part
        return joined


def typical_text() -> dict[str, np.ndarray]:
    """One row for warming up."""
    return {TEXT.name: np.array([_TYPICAL.encode()], dtype=object)}
