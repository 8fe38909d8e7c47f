"""Simulated fields: how often a bad variant is offered, and what the race saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from pumice.domain.evidence.family import shared
from pumice.domain.evidence.verdict import Verdict
from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays
from pumice.optimize.examples import Examples
from pumice.optimize.latency.standing import LatencyStanding
from pumice.optimize.latency.timing import Pairs
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.quality.evidence import Claim, Proof
from pumice.optimize.race.contender import Contender
from pumice.optimize.race.journal import Journal
from pumice.optimize.race.models import Models
from pumice.optimize.race.plan import Plan, Seen, Timing
from pumice.optimize.race.racing import Race
from pumice.optimize.race.telling import Telling
from pumice.optimize.race.timetable import BASE, Timetable
from tests.optimize.race.field import Best, candidate

MARGIN = 0.05
ALPHA = 0.2


class _Drawn(Measured):
    """A model that answers class 1 instead of class 0 on a part of the inputs, which are uniform numbers."""

    def __init__(self, wrong: float, shift: float, ratio: float) -> None:
        self.folder = ModelFolder(Path("drawn"), Manifest())
        self.wrong, self.shift, self.ratio = wrong, shift, ratio

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        other = (inputs["x"] + self.shift) % 1.0 < self.wrong
        return {"y": np.stack([~other, other], axis=1).astype(float)}

    @property
    def batchable(self) -> bool:
        return True

    def close(self) -> None:
        pass


class _Field(Models):
    """Drawn models by name."""

    def __init__(self, models: Mapping[str, Measured]) -> None:
        super().__init__({})
        self._drawn = models

    def get(self, *names: str, threads: int) -> list[Measured]:
        del threads
        return [self._drawn[name] for name in names]


def _race(
    folder: Path, field: Sequence[tuple[float, float]], count: int, seed: int
) -> tuple[list[Contender], Timetable]:
    """Race variants of these rates of disagreement and these ratios of latency."""
    draw = np.random.default_rng(seed)
    examples = Examples({"x": draw.random(count)}, None, None, str(seed))
    names = [f"v{number}" for number in range(len(field))]
    plan = Plan(
        name="drawn",
        source=ModelFolder(folder, Manifest()),
        data="drawn",
        examples=examples,
        judge=Best(),
        candidates=[candidate(name) for name in names],
        cache=folder,
        max_drop=MARGIN,
        timing=Timing(rows=(256,), threads=(1,), blocks=12),
        block=256,
    )

    def timer(base: Measured, other: Measured, batches: Sequence[Arrays], longest: float) -> Pairs:
        del base, longest
        assert isinstance(other, _Drawn)
        one, two = draw.lognormal(0.0, 0.3, size=(2, len(batches)))
        return Pairs(one.tolist(), (other.ratio * two).tolist(), 0.01)

    models: dict[str, Measured] = {BASE: _Drawn(0.0, 0.0, 1.0)}
    contenders = [Contender(variant) for variant in plan.candidates]
    for contender, (wrong, ratio), alpha in zip(contenders, field, shared(ALPHA, len(field)), strict=True):
        models[contender.name] = _Drawn(wrong, float(draw.random()), ratio)
        quality, latency = shared(alpha, 2)
        contender.proof = Proof("agreement", Claim(MARGIN, quality, labelled=False))
        contender.latency = LatencyStanding(plan.timing.points(batchable=True), latency)
    pool = _Field(models)
    journal = Journal(folder / f"{seed}.jsonl")
    timetable = Timetable(plan.timing, "latency", examples, journal, pool, timer=timer)
    Race(plan, examples, journal, pool, timetable, telling=Telling(lambda _: None, contenders, count, 1)).run(
        contenders
    )
    journal.close()
    return contenders, timetable


def _offered(contenders: Sequence[Contender], timetable: Timetable) -> list[str]:
    return [
        contender.name
        for contender in contenders
        if contender.racing
        and contender.verdict is Verdict.PASS
        and contender.latency
        and timetable.won(contender.latency)
    ]


@pytest.mark.parametrize(
    "null",
    [
        pytest.param((MARGIN, 0.5), id="fast, and as wrong as must not be"),
        pytest.param((0.001, 0.98), id="right, and no faster than asked"),
    ],
)
def test_a_field_of_nulls_is_offered_no_more_often_than_said(null: tuple[float, float], tmp_path: Path) -> None:
    fields = 60
    wrong = sum(bool(_offered(*_race(tmp_path, [null] * 4, 2048, seed))) for seed in range(fields))
    alpha = ALPHA / 2  # half of the error is kept for the other kind of mistake
    assert wrong / fields <= alpha + 3 * (alpha * (1 - alpha) / fields) ** 0.5


def test_the_race_finds_the_frontier_of_the_full_grid_for_a_third_of_its_evaluations(tmp_path: Path) -> None:
    bad = [(0.12, 0.5), (0.3, 0.4), (0.09, 0.6), (0.6, 0.5)]
    slow = [(0.005, 1.3), (0.0, 4.6)]
    good = [(0.01, 0.6), (0.005, 0.7)]
    contenders, timetable = _race(tmp_path, [*bad, *slow, *good], 8192, 1)
    assert _offered(contenders, timetable) == ["v6", "v7"]
    evaluations = sum(contender.evaluated for contender in contenders)
    assert evaluations <= 8 * 8192 / 3
    assert [contender.evaluated <= 256 for contender in contenders[4:6]] == [True, True]
    # the grid: every one answers everything
    for contender, (wrong, _) in zip(contenders, [*bad, *slow, *good], strict=True):
        whole = Proof("agreement", Claim(MARGIN, ALPHA / 16, labelled=False))
        agree = np.random.default_rng(3).random(8192) >= wrong
        whole.update(Seen(agree, None, None, None))
        if contender.evaluated:
            assert (whole.verdict is Verdict.PASS) is (contender.verdict is Verdict.PASS)
