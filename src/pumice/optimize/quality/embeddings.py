"""The judge of embeddings: they keep their direction, and find what they found before."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.signature import Arrays
from pumice.optimize.quality.base import Definition, Judge

FEWEST = 16
"""Fewest reference examples among which neighbours are looked for."""


class Neighbours(Judge):
    """Two embeddings agree if their cosine is high, and the nearest reference example is still found.

    A search with the base's embeddings over the reference examples has a best hit; it is kept if a search with the
    candidate's embeddings, of the query and of the reference examples, has it among its first k. The reference examples
    are those of the search, which are never judged.

    Args:
        output: Name of the embeddings [n, D].
        k: Among how many the best hit must stay.
        cosine: Least cosine between both models' embeddings of an example.
    """

    metric: ClassVar[str] = "neighbours kept"
    needs_reference: ClassVar[bool] = True

    def __init__(self, output: str, k: int = 10, cosine: float = 0.95) -> None:
        if k < 1 or not -1.0 <= cosine <= 1.0:
            raise BadSetting("metric of embeddings", f"k {k}, cosine {cosine}", "k of at least 1, a cosine in [-1, 1]")
        self._output = output
        self._k = k
        self._cosine = cosine
        self._reference: tuple[np.ndarray, np.ndarray] | None = None
        self.definition = Definition(
            agree=f"The cosine of both embeddings is at least {cosine:g}, and the base's nearest neighbour among the "
            f"reference examples is one of the variant's first {k}.",
            drop="The part of the examples on which the variant does not agree with the base.",
            agree_zh=f"两个向量的余弦不低于 {cosine:g}, 且原模型在参考样本中的最近邻仍在变体的前 {k} 个之内.",
            drop_zh="变体与原模型不一致的样本所占的比例.",
        )

    def beside(self, base: Arrays, candidate: Arrays) -> Judge:
        """The judge of one candidate.

        Raises:
            BadSetting: There are too few reference examples.
        """
        first, second = unit(base[self._output]), unit(candidate[self._output])
        if len(first) < max(FEWEST, 2 * self._k):
            fewest = max(FEWEST, 2 * self._k)
            given = f"{len(first)} reference examples (they are a part of DATA)"
            raise BadSetting("embeddings", given, f"at least {fewest}; give more data, or a smaller k")
        judge = Neighbours(self._output, self._k, self._cosine)
        judge._reference = first, second
        return judge

    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Embeddings have no label.

        Raises:
            BadSetting: Always.
        """
        given = f"labels {list(labels.shape)} beside embeddings {list(answers[self._output].shape)}"
        raise BadSetting("the column 'label'", given, "data without it, or a metric of your own (module:function)")

    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether each embedding kept its direction and its best hit.

        Raises:
            BadSetting: `beside` was not called.
        """
        if self._reference is None:
            raise BadSetting("embeddings", "no reference examples", "the answers of both models to some")
        first, second = unit(base[self._output]), unit(candidate[self._output])
        near = (first * second).sum(axis=1) >= self._cosine
        hits = (first @ self._reference[0].T).argmax(axis=1)
        found = second @ self._reference[1].T
        own = found[np.arange(len(found)), hits]
        return np.asarray(near & ((found > own[:, None]).sum(axis=1) < self._k))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; what has no length, or is not finite, becomes NaN and is near nothing.

    Args:
        vectors: [n, D].
    """
    wide = vectors.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return np.where(np.isfinite(scaled), scaled, np.nan)
