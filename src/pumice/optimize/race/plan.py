"""What an optimization is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.evidence.sequential import check_share
from pumice.optimize.examples import Examples
from pumice.optimize.findings import NodeDamage, Objective
from pumice.optimize.latency.standing import Point
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.quality.base import Judge
from pumice.optimize.race.machine import usable_cores


class Timing(msgspec.Struct, frozen=True):
    """How latency is measured.

    Attributes:
        rows: Batch sizes of the serving to come; a model that takes one request at a time is timed with one row.
        threads: Threads of one inference there, as `serve` gives them: cores / replicas; all cores if left out.
        pairs: Pairs of a block; the blocks of a variant lie apart in time.
        blocks: Most blocks at a point; what is not proven by then is not claimed.
        seconds: Most time that a variant is timed (s), its pairs with the base together.
        gain: Part by which a variant has to be faster at least. Two sessions of one and the same model may differ by
            a percent, by where their memory lies; that is no gain.
    """

    rows: tuple[int, ...] = (1, 16)
    threads: tuple[int, ...] = msgspec.field(default_factory=lambda: (usable_cores(),))
    pairs: int = 24
    blocks: int = 20
    seconds: float = 30.0
    gain: float = 0.02

    def points(self, *, batchable: bool) -> list[Point]:
        """Every batch size with every number of threads."""
        rows = self.rows if batchable else (1,)
        return [Point(many, threads) for threads in self.threads for many in rows]


class Built(msgspec.Struct, frozen=True):
    """What a build tells besides its files.

    Attributes:
        sensitivity: What each node does to the answers, where that was measured.
        notes: What to know of it, sentences for people.
        recipe: How it was really made, where that was found out in the making; None: as its recipe says.
    """

    sensitivity: list[NodeDamage] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    recipe: dict[str, Any] | None = None


@dataclass(frozen=True)
class Material:
    """What a variant is built from.

    Attributes:
        source: The original; it is not changed.
        calibration: Examples to calibrate on.
        search: Examples to search on, for example for nodes that are sensitive.
        seed: Of everything that is drawn.
    """

    source: ModelFolder
    calibration: Examples
    search: Examples
    seed: int


Build = Callable[[Material, Path], Built]
"""Makes the variant as a model directory at a path that is not there yet. It runs in a process of its own, so it is
found by name: a function of a module, or a `functools.partial` of one."""


@dataclass(frozen=True)
class Candidate:
    """A variant that can be built.

    Attributes:
        name: Its name; each has its own.
        recipe: The passes that make it, with their options; plain values, for the report and to know it again.
        build: Makes it.
    """

    name: str
    recipe: Mapping[str, Any]
    build: Build


@dataclass(frozen=True, eq=False)
class Seen:
    """Both models' answers to some examples, judged.

    Attributes:
        agree: Whether both gave the same answer, bool [n].
        base_right: Whether the base was right, bool [n]; None without labels.
        candidate_right: Whether the candidate was right, bool [n]; None without labels.
        slices: The part of the data that each belongs to, [n] of str; None if the data names no parts.
    """

    agree: np.ndarray
    base_right: np.ndarray | None
    candidate_right: np.ndarray | None
    slices: np.ndarray | None


@dataclass(frozen=True)
class Plan:
    """What an optimization is asked for.

    Attributes:
        name: What the user called the model.
        source: The model.
        data: What the user gave as data.
        examples: What it holds.
        judge: Says what right and equal mean.
        candidates: The variants to try.
        cache: Folder of all runs; a run whose inputs are the same finds there what is done already.
        seed: Of the shuffle, and of everything else that is drawn.
        max_drop: Quality that may be lost (a part of 1).
        confidence: Level at which all verdicts and intervals hold together.
        objective: What a variant has to be better at.
        timing: How latency is measured.
        block: Examples after which the evidence of all is looked at.
        build_seconds: Longest time that a build may take (s).
        cache_bytes: Most that all runs together may keep (bytes).
        judge_digest: SHA-256 in hex of the code behind an own metric, which its name does not tell.
        strict_slices: Whether parts of the data that are too small to prove anything must pass too.
    """

    name: str
    source: ModelFolder
    data: str
    examples: Examples
    judge: Judge
    candidates: Sequence[Candidate]
    cache: Path
    seed: int = 0
    max_drop: float = 0.01
    confidence: float = 0.95
    objective: Objective = "latency"
    timing: Timing = field(default_factory=Timing)
    block: int = 128
    build_seconds: float = 900.0
    cache_bytes: int = 4 << 30
    judge_digest: str = ""
    strict_slices: bool = False

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            BadSetting: A value is not allowed.
        """
        check_share("max_drop", self.max_drop)
        check_share("confidence", self.confidence)
        names = [candidate.name for candidate in self.candidates]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names or twice:
            given = f"{', '.join(twice)} twice" if names else "none"
            raise BadSetting("recipes", given, "at least one, each with its own name")
