"""A whole optimization of a small model: who wins, who is dropped, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pumice.domain.errors import BadSetting
from pumice.domain.evidence.recheck import recheck
from pumice.domain.evidence.verdict import Verdict
from pumice.domain.signature import Arrays
from pumice.optimize.findings import VariantFinding
from pumice.optimize.latency.timing import Pairs
from pumice.optimize.loaded import Measured
from pumice.optimize.progress import RaceView
from pumice.optimize.race.plan import Plan
from pumice.optimize.run import optimize
from tests.optimize.race.field import candidate, plan_of

KINDS = ("pruned", "same", "heavy", "noisy", "swapped", "short", "nan", "crash")


def _no_timer(base: Measured, candidate: Measured, batches: Sequence[Arrays], longest: float) -> Pairs:
    raise AssertionError("everything was timed already")


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, list[RaceView], dict[str, VariantFinding]]:
    """One run over all kinds."""
    views: list[RaceView] = []
    plan = plan_of(tmp_path_factory.mktemp("raced"), KINDS)
    report = optimize(plan, views.append).report
    return plan, views, {variant.name: variant for variant in report.variants}


Raced = tuple[Plan, list[RaceView], dict[str, VariantFinding]]


def test_only_what_is_right_and_faster_is_offered(raced: Raced) -> None:
    found = raced[2]
    assert [name for name, variant in found.items() if variant.offered] == ["pruned"]
    best = found["pruned"]
    assert best.verdict is Verdict.PASS
    assert best.reasons == []
    assert best.latency_ms
    assert best.latency_ms.ratio_interval[1] < 0.98
    assert best.quality
    assert best.quality.drop_interval[1] < 0.02
    for variant in found.values():
        for record in variant.quality.evidence if variant.quality else []:
            recheck(record)


@pytest.mark.parametrize(
    ("name", "verdict", "reason"),
    [
        ("same", None, "(not proven at least|less than) 2% faster"),
        ("heavy", None, "(slower|less than 2% faster) than the original"),
        ("noisy", Verdict.FAIL, "it disagrees with the original on more than 0.02 of the examples"),
        ("swapped", Verdict.FAIL, "it disagrees with the original on more than 0.02 of the examples"),
        ("short", Verdict.FAIL, r"its 'y' has the shape \["),
        ("nan", Verdict.FAIL, "the model gave NaN"),
        ("crash", Verdict.NOT_YET, "ended by signal 11"),
    ],
)
def test_the_others_are_told_why_not(raced: Raced, name: str, verdict: Verdict | None, reason: str) -> None:
    variant = raced[2][name]
    assert not variant.offered
    assert verdict in (None, variant.verdict)
    assert re.search(reason, variant.reasons[0])
    assert len(variant.reasons) == len(variant.reasons_zh)


def test_who_has_lost_is_dropped_at_once(raced: Raced) -> None:
    plan, views, found = raced
    last = {contender.name: contender for contender in views[-1].contenders}
    assert views[-1].step == "done"
    assert {contender.stage for contender in last.values()} == {"done"}
    # a machine that is very busy may need another block of pairs
    assert last["heavy"].n <= 2 * plan.block
    assert last["swapped"].n == plan.block
    assert last["pruned"].n < views[-1].total / 2
    assert any("its time in nodes goes into" in reason for reason in found["heavy"].reasons)


def test_the_same_again_is_taken_from_the_cache(raced: Raced) -> None:
    plan, _, found = raced
    again = optimize(plan, lambda _: None, _no_timer)
    assert {variant.name: variant for variant in again.report.variants} == found
    assert sorted(again.folders) == sorted({*KINDS} - {"crash", "nan"})
    assert again.folders["pruned"].size_bytes == found["pruned"].size_bytes
    other = replace(plan, max_drop=0.03)
    with pytest.raises(AssertionError, match="timed already"):
        optimize(replace(other, candidates=[candidate("same")]), lambda _: None, _no_timer)


def test_for_size_it_is_enough_to_be_smaller_and_not_slower(tmp_path: Path) -> None:
    plan = replace(plan_of(tmp_path, ("pruned", "same")), objective="size")
    found = {variant.name: variant for variant in optimize(plan, lambda _: None).report.variants}
    assert [name for name, variant in found.items() if variant.offered] == ["pruned"]
    assert any("not smaller than the original" in reason for reason in found["same"].reasons)


def test_a_plan_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ("pruned", "pruned"))
    with pytest.raises(BadSetting, match="pruned twice"):
        optimize(plan, lambda _: None)
    with pytest.raises(BadSetting, match="at least 8"):
        optimize(plan_of(tmp_path / "few", ("pruned",), count=5), lambda _: None)
