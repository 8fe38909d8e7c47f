"""Twenty candidates with a fault each, and twenty that are as good as their base."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.int8_dynamic import Int8Dynamic
from tests.optimize.sabotage import changes
from tests.optimize.sabotage.networks import RARE, THIN, TOKENS, Insert, Network, base

MARGIN = 0.03
"""Accuracy that a candidate may lose."""

Change = Callable[[Network], Network]


@dataclass(frozen=True)
class Candidate:
    """A candidate.

    Attributes:
        name: What was done to it.
        kind: Its base.
        change: Makes its network from the base's; None for the pass `Int8Dynamic`, which takes the base as it is.
        faulty: Whether it must not be offered.
        slow: Whether its only fault is that it is slow.
        stale: Whether it is made from what the base was before.
    """

    name: str
    kind: str
    change: Change | None
    faulty: bool
    slow: bool = False
    stale: bool = False

    def write(self, folder: Path, seed: int = 0) -> ModelFolder:
        """Make its model directory, from the base that was trained with a seed."""
        own = base(self.kind, seed)
        network = own.stale if self.stale else own.network
        if self.change is not None:
            return self.change(network).write(folder)
        source = network.write(folder.with_name(f"{folder.name}-base"))
        return Int8Dynamic().apply(source, folder)


def _column(weight: np.ndarray, order: list[int]) -> np.ndarray:
    return weight[..., order]


def _last(network: Network, order: list[int]) -> Network:
    """Another order of the classes."""
    layer = max(int(name[1:]) for name in network.weights if name[0] == "w")
    own = network.weights
    return network.changed(**{f"{part}{layer}": _column(own[f"{part}{layer}"], order) for part in "wb"})


def _swapped(network: Network) -> Network:
    return _last(network, [0, 1, 2, 8, 4, 5, 6, 7, 3, 9])


def _off_by_one(network: Network) -> Network:
    return _last(network, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0])


def _without_class(network: Network) -> Network:
    bias = network.weights["b2"].copy()
    bias[5] -= 100
    return network.changed(b2=bias)


def _without_bias(network: Network) -> Network:
    return network.changed(
        **{name: np.zeros_like(network.weights[name]) for name in ("b0", "b1", "b2")}, mean=np.zeros(64)
    )


def _truncated(network: Network) -> Network:
    table = network.weights["table"].copy()
    table[120:] = 0
    return network.changed(table=table)


def _ids(shift: int) -> Change:
    """The tokenizer counts from another number."""

    def change(network: Network) -> Network:
        return network.changed(table=np.roll(network.weights["table"], shift, axis=0))

    return change


def _first_tokens(network: Network) -> Network:
    """Only the first tokens are read."""
    keep = (np.arange(TOKENS) < 4).astype(np.int64)
    return network.behind("x", changes.operator("Mul", keep))


def _behind(name: str, insert: Insert) -> Change:
    return lambda network: network.behind(name, insert)


def _scaled(network: Network) -> Network:
    """Every other channel has another scale."""
    weight = network.weights["w1"].copy()
    weight[:, ::2] *= 4
    return network.changed(w1=weight)


FAULTY: list[Candidate] = [
    Candidate(name, kind, change, faulty=True)
    for name, kind, change in (
        ("saturated layer", "digits", _behind("h0", changes.clip(0.0, 0.15))),
        ("wrong scale of channels", "digits", _scaled),
        ("two labels swapped", "digits", _swapped),
        ("labels off by one", "digits", _off_by_one),
        ("calibrated on the wrong data", "digits", _behind("f", changes.quantized(-0.1, 0.1))),
        ("one class destroyed", "digits", _without_class),
        ("a rounding bug on thin digits", "digits", _behind("x", changes.where_less(THIN, changes.operator("Round")))),
        ("wrong normalisation", "digits", lambda network: network.changed(mean=np.zeros(64))),
        ("dropped bias", "digits", _without_bias),
        ("clipped logits", "digits", _behind("y", changes.clip(-3.0, 3.0))),
        ("transposed weights", "digits", lambda network: network.changed(w1=network.weights["w1"].T)),
        ("NaN on rare inputs", "digits", _behind("x", changes.where_less(RARE, changes.operator("Log")))),
        (
            "flipped kernel",
            "images",
            lambda network: network.changed(kernel=network.weights["kernel"][..., ::-1, ::-1]),
        ),
        ("axes mixed up", "images", _behind("x", changes.operator("Transpose", perm=[0, 1, 3, 2]))),
        ("two bits a weight", "images", lambda network: changes.grid(network, 2, per_channel=False)),
        ("wrong tokenizer", "texts", _ids(1)),
        ("truncated embedding", "texts", _truncated),
        ("rows leak into each other", "texts", _behind("y", changes.leaking(4.0))),
    )
] + [
    Candidate("slower INT8", "digits", None, faulty=True, slow=True),
    Candidate("stale weights", "digits", lambda network: network, faulty=True, stale=True),
]

HONEST: list[Candidate] = [
    Candidate(f"{name}, {kind}", kind, change, faulty=False)
    for kind in ("digits", "images", "texts")
    for name, change in (
        ("FP16 weights", functools.partial(changes.rounded, dtype=np.float16)),
        ("BF16 weights", changes.bfloat),
        ("8 bits by channel", functools.partial(changes.grid, bits=8, per_channel=True)),
        ("8 bits by tensor", functools.partial(changes.grid, bits=8, per_channel=False)),
        ("a tenth pruned", functools.partial(changes.pruned, part=0.1)),
        ("a little noise", functools.partial(changes.noisy, part=0.03, seed=5)),
    )
] + [
    Candidate("units in another order", "digits", functools.partial(changes.permuted, seed=6), faulty=False),
    Candidate("calibrated activations", "digits", _behind("f", changes.quantized(-2.0, 2.0)), faulty=False),
]
