"""Points around eight centres, and a network that tells which: right nearly always, and much wider than it needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from pumice.domain.model import Manifest
from tests.engines.graphs import node, save, tensor

_AXES, _CLASSES, _WIDTH = 32, 8, 1024


def _centres() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(_CLASSES, _AXES)).astype(np.float32)


def network(folder: Path, order: Sequence[int] = range(_CLASSES)) -> Path:
    """Write the network as a model directory: x FP32 [batch, 32] -> scores FP32 [batch, 8].

    Args:
        folder: Its folder.
        order: Which centre each score is of; another than the natural one is a network that mixes them up.
    """
    folder.mkdir(parents=True)
    centres = _centres()
    draw = np.random.default_rng(4)
    spread = (draw.normal(size=(_AXES, _WIDTH)) / np.sqrt(_AXES)).astype(np.float32)
    square = np.linalg.qr(draw.normal(size=(_WIDTH, _WIDTH)))[0].astype(np.float32)
    into = centres @ spread @ square
    last = (into / (into**2).sum(axis=1, keepdims=True)).T[:, list(order)].astype(np.float32)
    nodes = [
        node("MatMul", ["x", "spread"], ["h"]),
        node("MatMul", ["h", "square"], ["k"]),
        node("MatMul", ["k", "last"], ["scores"]),
    ]
    ends = [tensor("x", "FP32", ["batch", _AXES])], [tensor("scores", "FP32", ["batch", _CLASSES])]
    save(folder / "model.onnx", nodes, *ends, {"spread": spread, "square": square, "last": last})
    manifest = Manifest(format="onnx", model="model.onnx", labels=[f"c{number}" for number in range(_CLASSES)])
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


def points(file: Path, count: int, *, labelled: bool = True, parts: Sequence[str] = ()) -> Path:
    """Write examples as NPZ.

    Args:
        file: The file.
        count: How many.
        labelled: Whether their centres are told.
        parts: Names of parts of the data, which take turns.
    """
    draw = np.random.default_rng(5)
    labels = draw.integers(0, _CLASSES, size=count)
    x = (_centres()[labels] + 0.3 * draw.normal(size=(count, _AXES))).astype(np.float32)
    told = {"label": labels} if labelled else {}
    if parts:
        told["slice"] = np.array([parts[row % len(parts)] for row in range(count)])
    np.savez(file, allow_pickle=False, x=x, **told)
    return file
