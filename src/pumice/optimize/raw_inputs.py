"""What a model's file takes, made of what callers send: by the very code that serves the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.model import Parameter
from pumice.domain.signature import Arrays, Signature
from pumice.engines.base import Engine, EngineConfig
from pumice.engines.registry import load_engine
from pumice.optimize.passes.base import Batches, ModelFolder
from pumice.runtime.worker.tasks import Pipeline, pipeline_for


def served_signature(model: ModelFolder) -> Signature:
    """What callers of a model send and get.

    Raises:
        SetupError: The model cannot be loaded.
    """
    with _recording(model, 1) as (_, pipeline):
        return pipeline.signature


def raw_batches(model: ModelFolder, inputs: Arrays, rows: int = 16, threads: int = 1) -> Batches:
    """Turn examples into batches of the tensors that the model's file takes.

    Texts are tokenized and images decoded by the model's task; the model runs once over all of them.

    Args:
        model: The model; an engine must be able to run it.
        inputs: What callers would send, [n, ...] each.
        rows: Most rows of a batch; the task may cut it further, so that texts of like length share a batch.
        threads: Threads of one inference.

    Raises:
        BadSetting: There are no examples, or they are not what the model's task takes.
        SetupError: The model cannot be loaded.
    """
    with _recording(model, threads) as (recorder, pipeline):
        wanted = {tensor.name for tensor in pipeline.signature.inputs if not tensor.optional}
        if not wanted <= inputs.keys():
            given = ", ".join(sorted(inputs)) or "nothing"
            raise BadSetting("inputs of the examples", given, f"what the model takes: {', '.join(sorted(wanted))}")
        step = rows if pipeline.batchable else 1
        for start in range(0, len(next(iter(inputs.values()))), step):
            pipeline.run({name: array[start : start + step] for name, array in inputs.items()}, {})
    if not recorder.seen:
        raise BadSetting("examples", "none", "at least one")
    return lambda: iter(recorder.seen)


@contextlib.contextmanager
def _recording(model: ModelFolder, threads: int) -> Iterator[tuple[_Recorder, Pipeline]]:
    tokenizer = model.manifest.tokenizer
    manifest = msgspec.structs.replace(model.manifest, tokenizer=str(model.path / tokenizer) if tokenizer else "")
    config = EngineConfig(
        source=str(model.path), path=str(model.model), manifest=manifest, threads=threads, provider="cpu"
    )
    recorder = _Recorder(load_engine(config))
    try:
        yield recorder, pipeline_for(recorder, config)
    finally:
        recorder.close()


class _Recorder(Engine):
    """An engine that keeps what it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name, self.signature, self.traits = engine.name, engine.signature, engine.traits  # type: ignore[misc]
        self.seen: list[dict[str, np.ndarray]] = []

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        self.seen.append({name: np.array(array) for name, array in inputs.items()})
        return self._engine.run(inputs, parameters)

    def close(self) -> None:
        self._engine.close()
