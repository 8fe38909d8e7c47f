"""A model, loaded in this process to be measured: through the same steps as in a replica."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec
import numpy as np

from pumice.domain.errors import ModelFailed
from pumice.domain.signature import Arrays, Signature
from pumice.engines.base import Engine, EngineConfig
from pumice.engines.onnx.refusals import runtime_errors
from pumice.engines.registry import load_engine
from pumice.optimize.passes.base import ModelFolder
from pumice.runtime.worker.tasks import Pipeline, pipeline_for


class Measured:
    """A model, loaded in this process to be measured.

    Args:
        folder: The model.
        threads: Threads of one inference.
    """

    def __init__(self, folder: ModelFolder, threads: int) -> None:
        config = _config(folder, threads)
        self.folder = folder
        self._engine: Engine = load_engine(config)
        self._pipeline: Pipeline = pipeline_for(self._engine, config)

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Answer one batch."""
        return self._pipeline.run(inputs, {})

    @property
    def signature(self) -> Signature:
        """What callers send and get."""
        return self._pipeline.signature

    @property
    def batchable(self) -> bool:
        """Whether it takes several rows at once."""
        return self._pipeline.batchable

    def close(self) -> None:
        """Free the model's memory."""
        self._engine.close()


@contextlib.contextmanager
def failing(name: str) -> Iterator[None]:
    """Turn what a runtime raises on a model into an error of ours.

    Args:
        name: What the message calls the model.

    Raises:
        ModelFailed: The runtime failed.
    """
    try:
        yield
    except runtime_errors() as error:
        problem = str(error).strip().splitlines()
        raise ModelFailed(name, problem[0] if problem else type(error).__name__) from error


def _config(folder: ModelFolder, threads: int) -> EngineConfig:
    # the manifest's paths start at the folder; engines and tokenizers open them from anywhere
    tokenizer = folder.manifest.tokenizer
    manifest = msgspec.structs.replace(folder.manifest, tokenizer=str(folder.path / tokenizer) if tokenizer else "")
    return EngineConfig(
        source=str(folder.path), path=str(folder.model), manifest=manifest, threads=threads, provider="cpu"
    )
