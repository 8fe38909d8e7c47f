"""What a model's file is given while its task answers examples: tokens of texts, pixels of images, or tensors as is.

The task's own steps make it, batch by batch, so calibration sees just what serving feeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from pumice.domain.model import Parameter
from pumice.engines.base import Engine, EngineConfig
from pumice.engines.registry import load_engine
from pumice.engines.source import resolve_source
from pumice.optimize.examples import Examples
from pumice.optimize.passes.base import ModelFolder
from pumice.runtime.worker.tasks import pipeline_for


def fed(folder: ModelFolder, examples: Examples, rows: int) -> Iterator[dict[str, np.ndarray]]:
    """Answer examples, and give what the model's file was fed with.

    Args:
        folder: The model.
        examples: In the form in which callers send them.
        rows: Most rows of a batch; a model that takes one request at a time gets one.

    Yields:
        Inputs of the file, [rows, ...] each; texts of different length come in several parts.
    """
    path, manifest = resolve_source(str(folder.path))
    config = EngineConfig(source=str(folder.path), path=str(path), manifest=manifest, threads=1, provider="cpu")
    noting = _Noting(load_engine(config))
    pipeline = pipeline_for(noting, config)
    step = rows if pipeline.batchable else 1
    for start in range(0, len(examples), step):
        pipeline.run({name: array[start : start + step] for name, array in examples.inputs.items()}, {})
        yield from noting.seen
        noting.seen.clear()
    noting.close()


class _Noting(Engine):
    """An engine that keeps what it is given.

    Args:
        inner: Answers.

    Attributes:
        seen: Inputs since they were last taken.
    """

    name = "noting"
    platform = "noting"

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.signature = inner.signature
        self.traits = inner.traits
        self.seen: list[dict[str, np.ndarray]] = []

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        self.seen.append({name: np.array(array) for name, array in inputs.items()})
        return self._inner.run(inputs, parameters)

    def close(self) -> None:
        self._inner.close()
