"""From what a caller sends to what the model's file takes, and back; in the replica, a batch at a time."""

from __future__ import annotations

from pumice.engines.base import Engine, EngineConfig
from pumice.runtime.worker.tasks.base import Pipeline
from pumice.runtime.worker.tasks.streaming import StreamPipeline
from pumice.runtime.worker.tasks.tensor import TensorPipeline

__all__ = ["Pipeline", "StreamPipeline", "pipeline_for"]


def pipeline_for(engine: Engine, config: EngineConfig) -> Pipeline:
    """Make the pipeline of the task that the manifest names.

    A task's library is imported only when a model has this task.

    Raises:
        BadArtefact: The model's signature does not suit the task.
        BadSetting: The manifest lacks what the task needs.
        MissingDependency: The task's library is not installed.
    """
    if engine.traits.decoupled:
        return StreamPipeline(engine, config)
    match config.manifest.task:
        case "tensor":
            return TensorPipeline(engine, config)
        case "text-classification":
            from pumice.runtime.worker.tasks.text_classification import TextClassification

            return TextClassification(engine, config)
        case "text-embedding":
            from pumice.runtime.worker.tasks.text_embedding import TextEmbedding

            return TextEmbedding(engine, config)
        case "image-classification":
            from pumice.runtime.worker.tasks.image_classification import ImageClassification

            return ImageClassification(engine, config)
