"""Make one node lighter at a time, see what that does to the answers, and leave the fewest nodes out that will do."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadSetting
from pumice.domain.signature import Arrays
from pumice.engines.base import Engine, EngineConfig
from pumice.engines.registry import load_engine
from pumice.optimize.findings import NodeDamage
from pumice.optimize.passes.base import Batches, ModelFolder, Supplies
from pumice.optimize.passes.onnx_pass import quiet, whole
from pumice.optimize.passes.sameness import output_error
from pumice.optimize.passes.selection import Node
from pumice.optimize.passes.selective import SelectivePass

Loss = Callable[[Iterable[Arrays], Iterable[Arrays]], float]
"""What a candidate loses: of the base's answers and its own, batch by batch in the same order; 0 is no loss."""

_SILENT = frozenset(
    {"Clip", "Flatten", "MaxPool", "Pad", "Relu", "Reshape", "Split", "Squeeze", "Transpose", "Unsqueeze"}
)
"""Operators that move numbers and make none: they lose nothing of their own."""


@dataclass(frozen=True)
class Search:
    """What a search for sensitive nodes is given.

    Attributes:
        inputs: Inputs of the model's file, other ones than those that calibrate, which would flatter the ranges.
        loss: What is to stay small.
        clock: Seconds from any start; tests give their own.
    """

    inputs: Batches
    loss: Loss = output_error
    clock: Callable[[], float] = time.monotonic


class Sensitivity(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        damages: What each node, or group of neighbours, does to the answers alone; the worst first. ``kept`` says
            which are left out.
        left_out: Names of the nodes to leave out.
        loss: Loss of the model without them.
        full_loss: Loss with nothing left out.
        reached: Whether the loss is within the bound.
    """

    damages: list[NodeDamage]
    left_out: tuple[str, ...]
    loss: float
    full_loss: float
    reached: bool


class LeaveOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many nodes are left out.

    Attributes:
        until: Largest loss that may stay; by default the error of the answers relative to their size.
        seconds: Longest time that measuring nodes may take (s); with many nodes, neighbours are measured together.
    """

    until: float = 0.02
    seconds: float = 120.0


def find_sensitive(
    step: SelectivePass[Any], source: ModelFolder, supplies: Supplies, search: Search, wish: LeaveOut
) -> Sensitivity:
    """Find the fewest nodes that have to be left out.

    Nodes are ranked by the loss that each causes alone. How many of the worst have to go is found by bisection, since
    leaving out more of them loses less.

    Args:
        step: The pass; its own ``nodes_left_out`` stay out.
        source: The model.
        supplies: Calibration inputs, and who is told of progress.
        search: Inputs to measure on, and the loss.
        wish: When it is enough, and how long it may take.

    Returns:
        What was found; where the bound is not reached, the choice with the smallest loss.

    Raises:
        BadArtefact: The model's file cannot be used.
        BadSetting: There are no inputs, or nothing to make lighter.
        MissingDependency: The extra ``optimize`` is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="pumice-sensitivity-") as place, quiet():
        ready = step.prepare(whole(source.model, Path(place), step.name), supplies)
        trial = _Trial(step, source, ready, search)
        return trial.find(wish, supplies)


class _Trial:
    """One search."""

    def __init__(self, step: SelectivePass[Any], source: ModelFolder, ready: Path, search: Search) -> None:
        self._step, self._ready, self._search = step, ready, search
        self._manifest = msgspec.structs.replace(source.manifest, tokenizer="")
        self._batches = list(search.inputs())
        if not self._batches:
            raise BadSetting("inputs of the search for sensitive nodes", "no batch", "at least one")
        self._base = self._answers(ready)
        self._nodes = step.nodes(ready)

    def find(self, wish: LeaveOut, supplies: Supplies) -> Sensitivity:
        """Measure, rank, bisect."""
        begun = self._search.clock()
        full = self._loss(self._nodes)
        took = max(self._search.clock() - begun, 1e-6)
        groups = _grouped([node for node in self._nodes if node.op not in _SILENT], max(1, int(wish.seconds / took)))
        ranked: list[tuple[float, list[Node]]] = []
        for done, group in enumerate(groups, start=1):
            ranked.append((self._loss(group), group))
            supplies.tell(done, len(groups))
        ranked.sort(key=lambda pair: -pair[0])
        count, loss = self._fewest([group for _, group in ranked], full, wish.until)
        left_out = tuple(node.name for _, group in ranked[:count] for node in group)
        damages = [
            NodeDamage(
                node=_name(group), op="+".join(dict.fromkeys(n.op for n in group)), damage=damage, kept=i < count
            )
            for i, (damage, group) in enumerate(ranked)
        ]
        return Sensitivity(damages, left_out, loss, full, loss <= wish.until)

    def _fewest(self, groups: Sequence[list[Node]], full: float, bound: float) -> tuple[int, float]:
        """How many of the first groups have to be left out, and the loss then."""
        if full <= bound:
            return 0, full
        tried = {0: full}

        def loss(count: int) -> float:
            if count not in tried:
                out = {node.name for group in groups[:count] for node in group}
                tried[count] = self._loss([node for node in self._nodes if node.name not in out])
            return tried[count]

        low, high = 0, len(groups) - 1  # with all of them out, nothing would be lighter
        if high and loss(high) <= bound:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if loss(middle) <= bound else (middle, high)
            return high, tried[high]
        return min(tried.items(), key=lambda item: item[1])

    def _loss(self, nodes: Sequence[Node]) -> float:
        target = self._ready.parent / "trial.onnx"
        self._step.quantize(self._ready, target, nodes)
        return self._search.loss(self._base, self._answers(target))

    def _answers(self, file: Path) -> list[dict[str, Any]]:
        config = EngineConfig(source=str(file), path=str(file), manifest=self._manifest, provider="cpu")
        engine: Engine = load_engine(config)
        try:
            return [engine.run(batch, {}) for batch in self._batches]
        finally:
            engine.close()


def _grouped(nodes: Sequence[Node], most: int) -> list[list[Node]]:
    """Cut nodes into at most so many groups of neighbours."""
    size = -(-len(nodes) // most)
    return [list(nodes[start : start + size]) for start in range(0, len(nodes), size)] if nodes else []


def _name(group: Sequence[Node]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].name} … {group[-1].name}"
