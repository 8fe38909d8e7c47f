"""Task ``text-embedding``: a text in, its vector out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pumice.domain.errors import BadOutput
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature, Tensor
from pumice.engines.base import Engine, EngineConfig
from pumice.runtime.worker.tasks.rows import choose_output
from pumice.runtime.worker.tasks.texts import TEXT, Reduce, TextRunner, typical_text

_POOLED = ("sentence_embedding", "embedding", "embeddings", "pooler_output")
_TOKENS = ("token_embeddings", "last_hidden_state")


class TextEmbedding:
    """``text`` BYTES [-1] -> ``embedding`` FP32 [-1, D].

    Token vectors [batch, tokens, D] are pooled as the manifest says; a graph that pools gives [batch, D].

    Args:
        engine: A graph from token tensors to vectors.
        config: What it was loaded with.

    Raises:
        SetupError: The graph, the tokenizer or the manifest does not suit.
    """

    def __init__(self, engine: Engine, config: EngineConfig) -> None:
        pooling = config.manifest.pooling
        if pooling == "none":
            output = choose_output(engine, config.path, _POOLED, (2,))
        else:
            output = choose_output(engine, config.path, ("sentence_embedding", *_TOKENS), (3, 2))
        self._reduce = _poolings(pooling) if len(output.shape) == 3 else _as_is
        self._normalize = config.manifest.normalize
        self._model = config.label
        self._texts = TextRunner(engine, config, output)
        self.batchable = config.manifest.batchable is not False
        self.signature = Signature(inputs=[TEXT], outputs=[Tensor("embedding", "FP32", [-1, output.shape[-1]])])

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Embed all texts.

        Raises:
            BadOutput: A vector holds NaN or infinity.
        """
        vectors = self._texts.run(inputs["text"], parameters, self._reduce)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        finite = np.isfinite(norms)
        if not finite.all():
            row = int(np.argmin(finite))
            raise BadOutput(self._model, f"row {row} of output 'embedding'", "NaN or infinity", "finite numbers")
        if self._normalize:
            vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        return {"embedding": vectors}

    def warm_inputs(self) -> dict[str, np.ndarray]:
        """A sentence or two."""
        return typical_text()


def _poolings(name: str) -> Reduce:
    return _first_token if name == "cls" else _mean_of_tokens


def _as_is(vectors: np.ndarray, mask: np.ndarray) -> np.ndarray:
    del mask
    return vectors


def _first_token(vectors: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The vector of each row's first token, which is not the first place where padding stands on the left."""
    return np.asarray(vectors[np.arange(len(vectors)), mask.argmax(axis=1)])


def _mean_of_tokens(vectors: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean over each row's tokens, padding left out."""
    weights = mask / mask.sum(axis=1, keepdims=True, dtype=np.float32)
    return np.asarray(np.einsum("rt,rtd->rd", weights.astype(np.float32), vectors))
