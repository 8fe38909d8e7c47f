"""The bases: a network on digits, one with a convolution, and one on texts; each with data to judge it on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from onnx import NodeProto
from sklearn.datasets import load_digits

from pumice.cli.demo import corpus
from pumice.domain.model import Manifest
from pumice.optimize.examples import Examples
from pumice.optimize.passes.base import ModelFolder
from tests.engines.graphs import node, save, tensor
from tests.optimize.sabotage.training import Layers, train

EXAMPLES = 4000
TOKENS, VOCABULARY = 48, 1500
_CLASSES = {"digits": 10, "images": 10, "texts": 2}

Weights = Mapping[str, np.ndarray]
Insert = Callable[[str, str], tuple[list[NodeProto], dict[str, np.ndarray]]]
"""Makes nodes that turn one tensor into another, and their weights."""


@dataclass(frozen=True)
class Network:
    """A network, ready to be written as ONNX.

    Attributes:
        kind: ``digits``, ``images`` or ``texts``.
        weights: Weights ``w0``, ``b0``, … by layer; ``kernel`` of a convolution; ``table`` of an embedding.
        inserts: What stands behind a tensor: ``x`` (the input), ``f`` (features), ``h0``, ``h1`` (hidden), ``y``.
    """

    kind: str
    weights: Weights
    inserts: Mapping[str, Insert] = field(default_factory=dict)

    def changed(self, **weights: np.ndarray) -> Network:
        """The same with other weights."""
        return replace(self, weights={**self.weights, **{name: np.ascontiguousarray(w) for name, w in weights.items()}})

    def behind(self, name: str, insert: Insert) -> Network:
        """The same with something behind a tensor."""
        return replace(self, inserts={**self.inserts, name: insert})

    def widened(self, width: int) -> Network:
        """The same, with units in the first hidden layer that reach no answer: what a lighter variant leaves out."""
        more = width - len(self.weights["b0"])
        w0, b0, w1 = (self.weights[name] for name in ("w0", "b0", "w1"))
        return self.changed(
            w0=np.pad(w0, [(0, 0), (0, more)]), b0=np.pad(b0, (0, more)), w1=np.pad(w1, [(0, more), (0, 0)])
        )

    def write(self, folder: Path) -> ModelFolder:
        """Write it as a model directory."""
        folder.mkdir(parents=True)
        graph = _Graph(self)
        ends: dict[str, tuple[str, list[int | str | None]]] = {
            "digits": ("FP32", ["batch", 64]),
            "images": ("FP32", ["batch", 1, 8, 8]),
            "texts": ("INT64", ["batch", TOKENS]),
        }
        last = graph.layers(getattr(graph, self.kind)(graph.inserted("x")))
        graph.nodes.append(node("Identity", [last], ["logits"]))
        datatype, shape = ends[self.kind]
        inputs = [tensor("x", datatype, shape)]
        outputs = [tensor("logits", "FP32", ["batch", _CLASSES[self.kind]])]
        save(folder / "model.onnx", graph.nodes, inputs, outputs, graph.weights)
        manifest = Manifest(format="onnx", model="model.onnx", allow_nan_outputs=True)
        (folder / "manifest.json").write_text(
            '{"format": "onnx", "model": "model.onnx", "allow_nan_outputs": true}', encoding="utf-8"
        )
        return ModelFolder(folder, manifest)


class _Graph:
    """Nodes as they are put together."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.nodes: list[NodeProto] = []
        self.weights = {name: weight.astype(np.float32) for name, weight in network.weights.items()}

    def inserted(self, name: str) -> str:
        """What is read in a tensor's place."""
        insert = self._network.inserts.get(name)
        if insert is None:
            return name
        nodes, weights = insert(name, f"{name}_")
        self.nodes += nodes
        self.weights |= weights
        return f"{name}_"

    def digits(self, x: str) -> str:
        self.nodes += [node("Sub", [x, "mean"], ["centred"]), node("Mul", ["centred", "scale"], ["f"])]
        return self.inserted("f")

    def images(self, x: str) -> str:
        self.nodes += [
            node("Sub", [x, "mean"], ["centred"]),
            node("Conv", ["centred", "kernel"], ["convolved"]),
            node("Relu", ["convolved"], ["kept"]),
            node("Flatten", ["kept"], ["f"]),
        ]
        return self.inserted("f")

    def texts(self, x: str) -> str:
        self.nodes += [
            node("Gather", ["table", x], ["vectors"]),
            node("ReduceSum", ["vectors", "axis"], ["f"], keepdims=0),
        ]
        self.weights["axis"] = np.array([1], np.int64)
        return self.inserted("f")

    def layers(self, last: str) -> str:
        count = sum(name.startswith("w") for name in self.weights)
        for layer in range(count):
            out = "y" if layer == count - 1 else f"h{layer}"
            raw = out if layer == count - 1 else f"g{layer}"
            self.nodes.append(node("Gemm", [last, f"w{layer}", f"b{layer}"], [raw]))
            if raw != out:
                self.nodes.append(node("Relu", [raw], [out]))
            last = self.inserted(out)
        return last


@dataclass(frozen=True)
class Base:
    """A trained base.

    Attributes:
        network: It.
        stale: The same from less data, as it was before.
        examples: Those it has never seen, with labels and slices.
    """

    network: Network
    stale: Network
    examples: Examples


@functools.cache
def base(kind: str, seed: int = 0) -> Base:
    """Train a base, once a process."""
    return {"digits": _digits, "images": _images, "texts": _texts}[kind](seed)


def _digits(seed: int) -> Base:
    x, y = _pictures(0, 6000, seed)
    mean = x.mean(axis=0)
    features, hidden = (x - mean) * 2, (48, 48)
    kept, stale = train(features, y, hidden, 12, seed), train(features[:1200], y[:1200], hidden, 1, seed)
    weights = {"mean": mean, "scale": np.array([2.0])}
    shown, labels = _pictures(1, EXAMPLES, seed)
    return _base("digits", (kept, stale), weights, {"x": shown}, labels)


def _images(seed: int) -> Base:
    x, y = _pictures(0, 5000, seed)
    mean = x.mean(axis=0).reshape(1, 1, 8, 8)
    kernel = (np.random.default_rng(seed).normal(size=(8, 1, 3, 3)) / 2).astype(np.float32)
    features = _convolved(x.reshape(-1, 1, 8, 8) - mean, kernel)
    kept, stale = train(features, y, (32,), 8, seed), train(features[:1200], y[:1200], (32,), 1, seed)
    shown, labels = _pictures(1, EXAMPLES, seed)
    return _base("images", (kept, stale), {"mean": mean, "kernel": kernel}, {"x": shown.reshape(-1, 1, 8, 8)}, labels)


def _texts(seed: int) -> Base:
    reviews = corpus.load()
    learnt, shown = corpus.select(reviews, "train")[seed % 2 :: 2], corpus.select(reviews, "test")[:EXAMPLES]
    counts: dict[str, int] = {}
    for review in learnt:
        for letter in review.text[:TOKENS]:
            counts[letter] = counts.get(letter, 0) + 1
    known = {letter: 1 + place for place, letter in enumerate(sorted(counts, key=counts.__getitem__, reverse=True))}

    def read(texts: Sequence[corpus.Review]) -> np.ndarray:
        ids = np.zeros((len(texts), TOKENS), np.int64)
        for row, review in enumerate(texts):
            places = [known.get(letter, 0) for letter in review.text[:TOKENS]]
            ids[row, : len(places)] = [place if place < VOCABULARY else 0 for place in places]
        return ids

    ids = read(learnt)
    bags = np.zeros((len(ids), VOCABULARY), np.float32)
    np.add.at(bags, (np.arange(len(ids))[:, None], ids), 1.0)
    bags[:, 0] = 0.0
    truth = np.array([review.label for review in learnt])
    kept, stale = train(bags, truth, (16,), 3, seed), train(bags[::9], truth[::9], (16,), 1, seed)

    def network(layers: Layers) -> Network:
        # the first layer, of counts, is an embedding that is summed
        table = layers[0][0] * (np.arange(VOCABULARY) > 0)[:, None]
        rest = {"w0": np.eye(16), "b0": layers[0][1], "w1": layers[1][0], "b1": layers[1][1]}
        return Network("texts", {"table": table} | rest)

    labels, inputs = np.array([review.label for review in shown]), read(shown)
    lengths = np.where((inputs != 0).sum(axis=1) < TOKENS // 3, "short", "long").astype(object)
    return Base(network(kept), network(stale), Examples({"x": inputs}, labels, lengths, "texts"))


def _base(
    kind: str, trained: tuple[Layers, Layers], weights: Weights, inputs: dict[str, np.ndarray], labels: np.ndarray
) -> Base:
    def network(layers: Layers) -> Network:
        parts = {f"w{place}": weight for place, (weight, _) in enumerate(layers)}
        return Network(kind, {**weights, **parts, **{f"b{place}": bias for place, (_, bias) in enumerate(layers)}})

    slices = _ink(inputs["x"].reshape(len(labels), -1))
    return Base(network(trained[0]), network(trained[1]), Examples(inputs, labels, slices, kind))


def _pictures(half: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits of one half of the data set, moved a little and with noise, [n, 64] in about [0, 1]."""
    x, y = load_digits(return_X_y=True)
    draw = np.random.default_rng((half, seed))
    rows = draw.integers(0, len(x) // 2, count) * 2 + half
    pictures = x[rows].reshape(-1, 8, 8)
    moved = np.where((draw.random(count) < 0.2)[:, None, None], np.roll(pictures, 1, axis=2), pictures)
    noisy = moved.reshape(count, 64) + draw.normal(size=(count, 64))
    return (noisy / 16).astype(np.float32), y[rows]


def _ink(pictures: np.ndarray) -> np.ndarray:
    """A third of the pictures, with the least ink, is thin."""
    ink = pictures.mean(axis=1)
    return np.where(ink < THIN, "thin", "thick").astype(object)


THIN, RARE = 0.285, 0.245
"""Mean of a picture below which it is thin, and very thin."""


def _convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), axis=(1, 2))
    sums = np.asarray(np.einsum("nhwij,cij->nchw", windows, kernel[:, 0]), np.float32)
    return np.maximum(sums, 0).reshape(len(x), -1)
