"""E-processes on counted outcomes: a product with one factor an example, mixed over several such products.

Under the null each factor has, given the past, a mean of at most 1. So each product is a non-negative supermartingale
that begins at 1, and so is any mixture whose weights were fixed before the first example. By Ville's inequality it ever
reaches ``1 / alpha`` with a probability of at most alpha: that is why one may look after every example.

A factor depends on the outcome alone, so the value depends on how often each outcome came, not on their order. Whoever
has the counts can compute it again.
"""

from __future__ import annotations

import math

import numpy as np

_LARGEST = 700.0
_STRETCH = 64


class Mixture:
    """Products of factors, mixed.

    Args:
        factors: The factor of each outcome in each product, [products, outcomes], positive.
        weights: What part of the whole each product is, [products]; they sum to 1. Equal if left out.
    """

    def __init__(self, factors: np.ndarray, weights: np.ndarray | None = None) -> None:
        self._logs = np.log(np.asarray(factors, float)).T
        parts = np.full(len(factors), 1.0 / len(factors)) if weights is None else weights
        self._weights = np.log(parts)
        self._steepest = np.maximum(self._logs.max(axis=1), 0.0)

    def log(self, counts: np.ndarray) -> np.ndarray:
        """Natural logarithm of the value.

        Args:
            counts: How often each outcome came, [..., outcomes]; they need not be whole.

        Returns:
            The logarithms, [...].
        """
        products = counts @ self._logs
        products += self._weights
        top = products.max(axis=-1, keepdims=True)
        products -= top
        np.exp(products, out=products)
        return np.asarray(np.log(products.sum(axis=-1)) + top[..., 0])

    def first_above(self, path: np.ndarray, limit: float) -> int | None:
        """Where the value first reaches a limit.

        An outcome can only lift the value so far; stretches in which all of them together cannot lift it to the limit
        are not looked into. That is exact, and most of the path is such.

        Args:
            path: Counts after each example, the first of them before it, [examples + 1, outcomes].
            limit: Natural logarithm of the limit.

        Returns:
            The example's place, from 0, or None.
        """
        edges = np.append(np.arange(0, len(path) - 1, _STRETCH), len(path) - 1)
        at_edges = path[edges]
        reachable = self.log(at_edges[:-1]) + np.diff(at_edges, axis=0) @ self._steepest >= limit
        for stretch in np.flatnonzero(reachable):
            start, end = edges[stretch] + 1, edges[stretch + 1] + 1
            above = np.flatnonzero(self.log(path[start:end]) >= limit)
            if above.size:
                return int(start + above[0]) - 1
        return None


def threshold(alpha: float) -> float:
    """Natural logarithm of the value that proves something at an error of alpha."""
    return math.log(1.0 / alpha)


def from_log(logarithm: float) -> float:
    """A value from its logarithm, kept below what a double holds."""
    return math.exp(min(logarithm, _LARGEST))
