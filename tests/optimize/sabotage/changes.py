"""Ways to change a network: as passes do, and as they should not."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.engines.graphs import node
from tests.optimize.sabotage.networks import Insert, Network


def operator(kind: str, *operands: np.ndarray, **attributes: Any) -> Insert:
    """One operator, with constants behind the tensor."""

    def insert(name: str, out: str) -> Any:
        names = [f"{name}_c{index}" for index in range(len(operands))]
        return [node(kind, [name, *names], [out], **attributes)], dict(zip(names, operands, strict=True))

    return insert


def clip(low: float, high: float) -> Insert:
    """Nothing leaves a range."""
    return operator("Clip", np.array(low, np.float32), np.array(high, np.float32))


def quantized(low: float, high: float) -> Insert:
    """8 bits an activation, over a range."""

    def insert(name: str, out: str) -> Any:
        scale = (high - low) / 255
        weights = {
            f"{name}_scale": np.array(scale, np.float32),
            f"{name}_zero": np.array(round(-low / scale), np.uint8),
        }
        ends = [f"{name}_scale", f"{name}_zero"]
        return [
            node("QuantizeLinear", [name, *ends], [f"{name}_q"]),
            node("DequantizeLinear", [f"{name}_q", *ends], [out]),
        ], weights

    return insert


def where_less(limit: float, replacement: Insert) -> Insert:
    """Something else where the mean of a row's values is below a limit."""

    def insert(name: str, out: str) -> Any:
        nodes, weights = replacement(name, f"{name}_other")
        weights[f"{name}_limit"] = np.array(limit, np.float32)
        weights[f"{name}_axes"] = np.array([1], np.int64)
        return [
            *nodes,
            node("ReduceMean", [name, f"{name}_axes"], [f"{name}_mean"], keepdims=1),
            node("Less", [f"{name}_mean", f"{name}_limit"], [f"{name}_less"]),
            node("Where", [f"{name}_less", f"{name}_other", name], [out]),
        ], weights

    return insert


def leaking(part: float) -> Insert:
    """Some of the batch's mean in every row."""

    def insert(name: str, out: str) -> Any:
        weights = {f"{name}_axes": np.array([0], np.int64), f"{name}_part": np.array(part, np.float32)}
        return [
            node("ReduceMean", [name, f"{name}_axes"], [f"{name}_mean"], keepdims=1),
            node("Mul", [f"{name}_mean", f"{name}_part"], [f"{name}_leak"]),
            node("Add", [name, f"{name}_leak"], [out]),
        ], weights

    return insert


def rounded(network: Network, dtype: Any) -> Network:
    """All weights through another floating type."""
    return network.changed(**{name: weight.astype(dtype) for name, weight in network.weights.items()})


def bfloat(network: Network) -> Network:
    """All weights with 8 bits of fraction."""

    def cut(weight: np.ndarray) -> np.ndarray:
        bits = np.ascontiguousarray(weight, np.float32).view(np.uint32)
        return ((bits + 0x8000) & np.uint32(0xFFFF0000)).view(np.float32)

    return network.changed(**{name: cut(weight) for name, weight in network.weights.items()})


def grid(network: Network, bits: int, *, per_channel: bool) -> Network:
    """Matrices on a grid of so many bits, with one scale a column or one for all."""

    def on_grid(weight: np.ndarray) -> np.ndarray:
        most = 2 ** (bits - 1) - 1
        scale = np.abs(weight).max(axis=0, keepdims=True) if per_channel else np.abs(weight).max()
        scale = np.maximum(scale, 1e-12) / most
        return np.asarray(np.round(weight / scale) * scale)

    return network.changed(**{name: on_grid(network.weights[name]) for name in matrices(network)})


def pruned(network: Network, part: float) -> Network:
    """The smallest weights of each matrix are 0."""

    def thin(weight: np.ndarray) -> np.ndarray:
        return np.where(np.abs(weight) < np.quantile(np.abs(weight), part), 0, weight)

    return network.changed(**{name: thin(network.weights[name]) for name in matrices(network)})


def permuted(network: Network, seed: int) -> Network:
    """The first hidden layer's units in another order; not a number changes."""
    order = np.random.default_rng(seed).permutation(network.weights["w0"].shape[1])
    own = network.weights
    return network.changed(w0=own["w0"][:, order], b0=own["b0"][order], w1=own["w1"][order])


def noisy(network: Network, part: float, seed: int) -> Network:
    """Noise on the matrices, as a part of their spread."""
    draw = np.random.default_rng(seed)
    return network.changed(
        **{
            name: network.weights[name]
            + draw.normal(size=network.weights[name].shape) * network.weights[name].std() * part
            for name in matrices(network)
        }
    )


def matrices(network: Network) -> list[str]:
    """Names of what a pass would quantize."""
    return [name for name in network.weights if name[0] == "w" or name in ("table", "kernel")]
