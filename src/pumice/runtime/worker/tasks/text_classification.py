"""Task ``text-classification``: a text in, its class and the scores of all classes out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pumice.domain.model import Parameter
from pumice.domain.signature import Signature
from pumice.engines.base import Engine, EngineConfig
from pumice.runtime.worker.tasks.rows import choose_output
from pumice.runtime.worker.tasks.scores import Scores
from pumice.runtime.worker.tasks.texts import TEXT, TextRunner, typical_text


class TextClassification:
    """``text`` BYTES [-1] -> ``label`` BYTES [-1], ``score`` FP32 [-1], ``scores`` FP32 [-1, L].

    Args:
        engine: A graph from token tensors to ``logits`` [batch, L].
        config: What it was loaded with.

    Raises:
        SetupError: The graph, the tokenizer or the manifest does not suit.
    """

    def __init__(self, engine: Engine, config: EngineConfig) -> None:
        output = choose_output(engine, config.path, ("logits", "scores", "probabilities"), (2,))
        self._scores = Scores(config, output)
        self._texts = TextRunner(engine, config, output)
        self.batchable = config.manifest.batchable is not False
        self.signature = Signature(inputs=[TEXT], outputs=self._scores.outputs)

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Classify all texts."""
        return self._scores.answer(self._texts.run(inputs["text"], parameters, lambda logits, _: logits))

    def warm_inputs(self) -> dict[str, np.ndarray]:
        """A sentence or two."""
        return typical_text()
