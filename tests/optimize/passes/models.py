"""Tiny real models that the passes are tried on."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx

from pumice.domain.model import Manifest
from pumice.optimize.passes.base import ModelFolder
from tests.engines.graphs import node, save, tensor

METRICS = {"accuracy": 0.5}


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits, read without it, which is slow to import: images FP32 [1797, 1, 8, 8] and labels."""
    found = find_spec("sklearn")
    assert found is not None
    assert found.submodule_search_locations
    table = np.loadtxt(Path(found.submodule_search_locations[0]) / "datasets/data/digits.csv.gz", delimiter=",")
    return (table[:, :64] / 16).astype(np.float32).reshape(-1, 1, 8, 8), table[:, 64].astype(np.int64)


@cache
def _digit_weights() -> dict[str, np.ndarray]:
    """Fixed convolutions, and a layer of classes that is fitted to them."""
    images, labels = digits()
    random = np.random.default_rng(5)
    kernels = random.normal(size=(24, 1, 3, 3)).astype(np.float32) / 3
    second = random.normal(size=(16, 24, 3, 3)).astype(np.float32) / 15
    features = _convolved(_convolved(images[:900], kernels), second).reshape(900, -1).astype(np.float64)
    wanted = np.eye(10)[labels[:900]]
    weights = np.linalg.solve(features.T @ features + 0.5 * np.eye(features.shape[1]), features.T @ wanted)
    return {
        "kernels": kernels,
        "second": second,
        "zero": np.zeros(24, np.float32),
        "none": np.zeros(16, np.float32),
        "classes": weights.astype(np.float32),
        "bias": np.zeros(10, np.float32),
    }


def _convolved(images: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    summed: np.ndarray = np.einsum("bchwij,ocij->bohw", windows, kernels, optimize=True)
    positive: np.ndarray = np.maximum(summed, 0)
    return positive


def digit_network(folder: Path, *, constants: bool = False) -> ModelFolder:
    """A convolutional network that reads digits: x FP32 [batch, 1, 8, 8] -> logits FP32 [batch, 10].

    Args:
        folder: Where it is written.
        constants: Whether its weights are in ``Constant`` nodes, as some converters leave them.
    """
    folder.mkdir(parents=True)
    weights = _digit_weights()
    nodes = [
        node("Conv", ["x", "kernels", "zero"], ["c1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], name="first"),
        node("Relu", ["c1"], ["r1"], name="relu1"),
        node("Conv", ["r1", "second", "none"], ["c2"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], name="second"),
        node("Relu", ["c2"], ["r2"], name="relu2"),
        node("Flatten", ["r2"], ["flat"], name="flatten"),
        node("Gemm", ["flat", "classes", "bias"], ["logits"], name="classes"),
    ]
    if constants:
        made = {name: onnx.numpy_helper.from_array(array) for name, array in weights.items()}
        nodes = [node("Constant", [], [name], value=value) for name, value in made.items()] + nodes
    ends = [tensor("x", "FP32", ["batch", 1, 8, 8])], [tensor("logits", "FP32", ["batch", 10])]
    save(folder / "model.onnx", nodes, *ends, {} if constants else weights)
    return _described(folder)


def two_inputs(folder: Path) -> ModelFolder:
    """A bag of words with a switch: ids INT64 [batch, words] and scale FP32 [batch, 1] -> y FP32 [batch, 8]."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(11)
    weights: dict[str, np.ndarray] = {
        "table": random.normal(size=(64, 32)).astype(np.float32),
        "w1": random.normal(size=(32, 32)).astype(np.float32) / 5,
        "w2": random.normal(size=(32, 8)).astype(np.float32) / 5,
        "axis": np.array([1]),
    }
    nodes = [
        node("Gather", ["table", "ids"], ["words"], name="table"),
        node("ReduceMean", ["words", "axis"], ["mean"], keepdims=0, name="mean"),
        node("MatMul", ["mean", "w1"], ["m1"], name="m1"),
        node("Tanh", ["m1"], ["t1"], name="tanh"),
        node("MatMul", ["t1", "w2"], ["m2"], name="m2"),
        node("Mul", ["m2", "scale"], ["y"], name="scaled"),
    ]
    ends = (
        [tensor("ids", "INT64", ["batch", "words"]), tensor("scale", "FP32", ["batch", 1])],
        [tensor("y", "FP32", ["batch", 8])],
    )
    save(folder / "model.onnx", nodes, *ends, weights)
    return _described(folder)


def bag_inputs(rows: int = 6) -> dict[str, np.ndarray]:
    """Inputs of `two_inputs`."""
    random = np.random.default_rng(2)
    return {"ids": random.integers(0, 64, (rows, 5)), "scale": random.uniform(0.5, 2, (rows, 1)).astype(np.float32)}


def weights_beside(folder: Path) -> ModelFolder:
    """`digit_network` with its weights in a file beside it."""
    made = digit_network(folder)
    whole = onnx.load(made.model)
    made.model.unlink()
    onnx.save(whole, made.model, save_as_external_data=True, location="weights", size_threshold=0)
    return made


def _described(folder: Path) -> ModelFolder:
    return ModelFolder(folder, Manifest(format="onnx", model="model.onnx", description="tiny", metrics=METRICS))
