"""Small networks, trained in a second: layers with ReLU between them, by Adam."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Layers = list[tuple[np.ndarray, np.ndarray]]
"""Weights [in, out] and bias [out] of each layer."""

_RATE, _FIRST, _SECOND, _TINY, _BATCH = 3e-3, 0.9, 0.999, 1e-8, 64


def train(x: np.ndarray, y: np.ndarray, hidden: Sequence[int], epochs: int, seed: int) -> Layers:
    """Train a classifier.

    Args:
        x: Inputs, FP32 [n, d].
        y: Classes, from 0, [n].
        hidden: Widths of the layers between.
        epochs: How often all examples are seen.
        seed: Of the first weights and the order.

    Returns:
        The layers.
    """
    draw = np.random.default_rng(seed)
    sizes = [x.shape[1], *hidden, int(y.max()) + 1]
    flat = [
        part.astype(np.float32)
        for size, width in pairwise(sizes)
        for part in (draw.normal(size=(size, width)) * np.sqrt(2 / size), np.zeros(width))
    ]
    moments = [(np.zeros_like(part), np.zeros_like(part)) for part in flat]
    truth, step = np.eye(sizes[-1], dtype=np.float32)[y], 0
    for _ in range(epochs):
        for rows in np.array_split(draw.permutation(len(x)), len(x) // _BATCH):
            step += 1
            rate = _RATE * np.sqrt(1 - _SECOND**step) / (1 - _FIRST**step)
            for place, slope in enumerate(_slopes(flat, x[rows], truth[rows])):
                first, second = moments[place]
                moments[place] = first, second = (
                    first + (1 - _FIRST) * (slope - first),
                    second + (1 - _SECOND) * (slope * slope - second),
                )
                flat[place] = flat[place] - rate * first / (np.sqrt(second) + _TINY)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _slopes(flat: list[np.ndarray], x: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """Gradients of the cross entropy."""
    seen = [x]
    for index in range(0, len(flat), 2):
        out = seen[-1] @ flat[index] + flat[index + 1]
        seen.append(np.maximum(out, 0) if index < len(flat) - 2 else out)
    powers = np.exp(seen[-1] - seen[-1].max(axis=1, keepdims=True))
    slope = (powers / powers.sum(axis=1, keepdims=True) - truth) / len(x)
    found: list[np.ndarray] = []
    for index in range(len(flat) - 2, -1, -2):
        before = seen[index // 2]
        found = [before.T @ slope, slope.sum(axis=0), *found]
        slope = (slope @ flat[index].T) * (before > 0)
    return found
