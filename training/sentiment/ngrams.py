"""The linear part: a logistic regression over hashed character n-grams scaled by their naive Bayes log ratios.

After Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification" (ACL 2012). It is
fitted apart and becomes one table of the network, which adds its entries up inside the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

PRIMES = (1, 8191, 131071, 524287)
SCRAMBLE, STEP = 31, 7919


@dataclass(frozen=True)
class NgramConfig:
    """Settings of the linear part.

    Attributes:
        orders: N-grams of 1 to this many characters.
        buckets: Hash buckets that all orders share.
        strength: Inverse regularisation of the logistic regression.
        least: N-grams in fewer training texts than this weigh nothing.
    """

    orders: int = 4
    buckets: int = 1 << 20
    strength: float = 10.0
    least: int = 2


@dataclass(frozen=True)
class NgramModel:
    """The fitted regression: a text's log odds are `sum(weight of its n-grams) / sqrt(their number) + bias`.

    Attributes:
        weight: FP32 `[buckets]`.
        bias: The intercept.
    """

    weight: np.ndarray
    bias: float

    def log_odds(self, counts: sparse.csr_matrix) -> np.ndarray:
        """Returns FP32 `[n]` for the counts of `count`."""
        return np.asarray(_unit(counts) @ self.weight + self.bias, dtype=np.float32)


def hashes(ids: np.ndarray, config: NgramConfig) -> np.ndarray:
    """Returns the bucket of each n-gram that ends at each place: INT64 `[orders, len(ids)]`.

    What lies before the text counts as padding (0). `model.NgramBranch` computes the same in the graph.
    """
    out, key = [], np.zeros_like(ids)
    for order, prime in enumerate(PRIMES[: config.orders]):
        key = key + np.concatenate([np.zeros(min(order, len(ids)), np.int64), ids[: max(0, len(ids) - order)]]) * prime
        out.append((key * SCRAMBLE + order * STEP) % config.buckets)
    return np.stack(out)


def count(texts: Sequence[np.ndarray], config: NgramConfig) -> sparse.csr_matrix:
    """Counts the buckets of each text: FP32 `[n, buckets]`."""
    rows = [hashes(ids, config).ravel() for ids in texts]
    where = np.cumsum([0, *map(len, rows)])
    ones = np.ones(where[-1], dtype=np.float32)
    matrix = sparse.csr_matrix((ones, np.concatenate(rows), where), shape=(len(rows), config.buckets))
    matrix.sum_duplicates()
    return matrix


def fit_ngrams(counts: sparse.csr_matrix, labels: np.ndarray, config: NgramConfig) -> NgramModel:
    """Fits the regression to the counts of the training texts and their 0/1 labels."""
    present = (counts > 0).astype(np.float32)
    positive, negative = (np.asarray(present[labels == label].sum(axis=0)).ravel() for label in (1, 0))
    ratio = np.log(((positive + 1) / (positive + 1).sum()) / ((negative + 1) / (negative + 1).sum()))
    ratio[positive + negative < config.least] = 0
    features = _unit(counts) @ sparse.diags(ratio)
    model = LogisticRegression(C=config.strength, max_iter=300).fit(features, labels)
    return NgramModel((model.coef_[0] * ratio).astype(np.float32), float(model.intercept_[0]))


def _unit(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    return sparse.diags(1 / np.sqrt(np.asarray(counts.sum(axis=1)).ravel() + 1e-6)) @ counts
