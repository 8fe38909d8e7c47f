"""A small classifier that carries much it does not need, and builders of its variants, found by name."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays
from pumice.optimize.examples import Examples
from pumice.optimize.latency.timing import Pairs
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.quality.base import Definition, Judge
from pumice.optimize.race.plan import Build, Built, Candidate, Material, Plan, Timing
from tests.engines.graphs import node, save, tensor

_INPUTS, _USED, _CLASSES = 16, 32, 4


class Best(Judge):
    """The class with the highest score."""

    metric = "accuracy"
    definition = Definition("the same best class", "of the accuracy", "最佳类别相同", "准确率的下降")

    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Whether it is the label."""
        return np.asarray(answers["y"].argmax(axis=1) == labels)

    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether both have the same."""
        return np.asarray(base["y"].argmax(axis=1) == candidate["y"].argmax(axis=1))


def network(folder: Path, width: int, noise: float = 0.0, classes: Sequence[int] = range(_CLASSES)) -> ModelFolder:
    """Write the classifier: x FP32 [batch, 16] -> y FP32 [batch, classes].

    Args:
        folder: Its folder.
        width: Hidden units, of which the first 32 alone reach the answer.
        noise: Spread of what is added to their weights.
        classes: Which scores it gives, in order.
    """
    folder.mkdir(parents=True)
    draw, disturb = np.random.default_rng(5), np.random.default_rng(6)
    into, through, out = (
        draw.normal(size=size).astype(np.float32) * 0.3
        for size in ((_INPUTS, _USED), (_USED, _USED), (_USED, _CLASSES))
    )
    wide = np.zeros((_INPUTS, width), np.float32), np.zeros((width, width), np.float32)
    wide[0][:, :_USED] = into
    wide[1][:_USED, :_USED] = through + noise * disturb.normal(size=through.shape).astype(np.float32)
    last = np.zeros((width, len(classes)), np.float32)
    last[:_USED] = out[:, list(classes)]
    nodes = [
        node("MatMul", ["x", "a"], ["h"]),
        node("Tanh", ["h"], ["t"]),
        node("MatMul", ["t", "b"], ["k"]),
        node("Tanh", ["k"], ["s"]),
        node("MatMul", ["s", "c"], ["y"]),
    ]
    ends = [tensor("x", "FP32", ["batch", _INPUTS])], [tensor("y", "FP32", ["batch", len(classes)])]
    save(folder / "model.onnx", nodes, *ends, {"a": wide[0], "b": wide[1], "c": last})
    manifest = Manifest(format="onnx", model="model.onnx")
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return ModelFolder(folder, manifest)


def examples(count: int, *, labelled: bool = True) -> Examples:
    """Inputs, and labels that the classifier gets right nine times of ten or so."""
    draw = np.random.default_rng(7)
    inputs = {"x": draw.normal(size=(count, _INPUTS)).astype(np.float32)}
    digest = hashlib.sha256(inputs["x"].tobytes()).hexdigest()
    return Examples(inputs, draw.integers(0, _CLASSES, size=count) if labelled else None, None, digest)


def plan_of(folder: Path, kinds: Sequence[str], count: int = 3000) -> Plan:
    """A plan for the small classifier, which is written if it is not there."""
    base = folder / "base"
    return Plan(
        name="small",
        source=ModelFolder.read(base) if base.exists() else network(base, 1024),
        data="drawn",
        examples=examples(count, labelled=False),
        judge=Best(),
        candidates=[candidate(kind) for kind in kinds],
        cache=folder / "cache",
        max_drop=0.02,
        timing=Timing(threads=(1,), seconds=10.0),
    )


def told_timer(base: Measured, other: Measured, batches: Sequence[Arrays], longest: float) -> Pairs:
    """Times that are told by the models' sizes and the inputs: the same each time, and with some scatter."""
    del longest
    ratio = other.folder.size_bytes / base.folder.size_bytes
    times = [1.0 + abs(float(batch["x"].sum())) % 0.1 for batch in batches]
    return Pairs(times, [ratio * time for time in times], 0.1)


def candidate(name: str, kind: str = "") -> Candidate:
    """A variant of one of the kinds below."""
    build: Build = partial(made, kind or name)
    return Candidate(name, {"kind": kind or name}, build)


def made(kind: str, material: Material, target: Path) -> Built:
    """Make a variant, or fail to."""
    match kind:
        case "pruned":
            network(target, _USED)
        case "heavy":
            network(target, 2048)
        case "noisy":
            network(target, _USED, noise=0.2)
        case "swapped":
            network(target, _USED, classes=(1, 0, 2, 3))
        case "short":
            network(target, _USED, classes=(0, 1, 2))
        case "nan":
            network(target, _USED, noise=np.nan)
        case "same":
            shutil.copytree(material.source.path, target)
        case _:
            _fail(kind, target)
    return Built()


def _fail(kind: str, target: Path) -> None:
    target.mkdir()
    match kind:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            (target / "pid").write_text(str(os.getpid()), encoding="utf-8")
            threading.Event().wait()
        case "raise":
            raise KeyError("a library's own trouble")
        case _:
            raise BadArtefact(str(target), "it cannot be had", "take another")
