"""Candidates with a fault are not let through, and those without one are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.loaded import Measured
from pumice.optimize.quality.batching import batch_dependence
from pumice.optimize.quality.classes import Highest
from tests.optimize.sabotage.candidates import FAULTY, HONEST, MARGIN, Candidate
from tests.optimize.sabotage.field import raced
from tests.optimize.sabotage.judging import LARGEST, Judged, judged, proven
from tests.optimize.sabotage.networks import base

HARMFUL = [candidate for candidate in FAULTY if not candidate.slow]


def verdicts(candidates: list[Candidate], folder: Path, seeds: range) -> dict[tuple[str, int], tuple[Judged, Verdict]]:
    """What is proven of each, in several draws of data, weights and order."""
    found = {}
    for seed in seeds:
        for candidate in candidates:
            seen = judged(candidate, folder / f"{candidate.name}-{seed}", seed)
            found[candidate.name, seed] = seen, proven(seen, seed).verdict
    return found


def test_no_fault_gets_through(tmp_path: Path) -> None:
    assert len(FAULTY) == 20
    for name, (seen, verdict) in verdicts(HARMFUL, tmp_path, range(1)).items():
        assert seen.worst_drop() > MARGIN, f"the data do not show the fault of {name}"
        assert verdict is not Verdict.PASS, name
        # nor does it without labels
        assert proven(seen, 0, labelled=False).verdict is not Verdict.PASS, name


def test_who_has_none_is_let_through(tmp_path: Path) -> None:
    assert len(HONEST) == 20
    found = verdicts(HONEST, tmp_path, range(1))
    assert {name: seen.worst_drop() for name, (seen, _) in found.items() if seen.worst_drop() > MARGIN / 3} == {}
    refused = [name for name, (_, verdict) in found.items() if verdict is not Verdict.PASS]
    assert len(refused) <= 1, refused


def test_the_leak_is_found_by_its_mates_alone(tmp_path: Path) -> None:
    leak = next(candidate for candidate in FAULTY if candidate.name == "rows leak into each other")
    own = base(leak.kind)
    inputs = own.examples.take(np.arange(64)).inputs
    for folder, expected in ((own.network.write(tmp_path / "base"), False), (leak.write(tmp_path / "leak"), True)):
        found = batch_dependence(Measured(folder, threads=1).run, inputs, Highest("logits"), (1,), LARGEST)
        assert found.dependent is expected
        assert (found.decisions > 0) is expected


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_campaign_over_many_draws(tmp_path: Path) -> None:
    seeds = range(1, 13)
    faulty, honest = verdicts(HARMFUL, tmp_path / "faulty", seeds), verdicts(HONEST, tmp_path / "honest", seeds)
    shown = {name: verdict for name, (seen, verdict) in faulty.items() if seen.worst_drop() > MARGIN}
    harmless = {name: verdict for name, (seen, verdict) in honest.items() if seen.worst_drop() <= MARGIN / 3}
    passed = [name for name, verdict in shown.items() if verdict is Verdict.PASS]
    refused = [name for name, verdict in harmless.items() if verdict is not Verdict.PASS]
    told = f"{len(passed)} of {len(shown)} faulty ones passed, {len(refused)} of {len(harmless)} honest ones did not"
    print(told)  # noqa: T201 - the campaign's result
    assert len(shown) > 0.9 * len(faulty), told
    assert len(harmless) > 0.9 * len(honest), told
    assert not passed, passed
    assert len(refused) <= len(harmless) / 20, refused


OFFERED = ("8 bits by channel, digits", "a tenth pruned, digits")
NOT_OFFERED = ("two labels swapped", "a rounding bug on thin digits", "NaN on rare inputs")


def test_a_race_offers_those_without_a_fault(tmp_path: Path) -> None:
    field = [candidate for candidate in FAULTY + HONEST if candidate.name in OFFERED + NOT_OFFERED]
    found = raced(field, tmp_path)
    assert {variant.name: variant.offered for variant in found.variants} == {
        name: name in OFFERED for name in OFFERED + NOT_OFFERED
    }
    assert found.effort.evaluations < found.effort.full_grid


@pytest.mark.long
def test_small_slices_refuse_whom_they_are_asked_to_judge(tmp_path: Path) -> None:
    field = [candidate for candidate in HONEST if candidate.name == "FP16 weights, texts"]
    (usual,), (strict,) = (raced(field, tmp_path / f"{word}", strict=word).variants for word in (False, True))
    assert usual.offered
    assert not strict.offered
    assert strict.quality is not None
    assert [(part.name, part.verdict, part.binding) for part in strict.quality.slices if part.n < 200] == [
        ("short", Verdict.NOT_YET, True)
    ]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_race_offers_a_fault(tmp_path: Path) -> None:
    variants = list(
        raced([candidate for candidate in FAULTY if candidate.slow], tmp_path / "slow", wide=False).variants
    )
    for kind in ("digits", "images", "texts"):
        field = [candidate for candidate in FAULTY + HONEST if candidate.kind == kind and not candidate.slow]
        variants += raced(field, tmp_path / kind).variants
    faulty = {candidate.name for candidate in FAULTY}
    assert len(variants) == len(FAULTY) + len(HONEST)
    offered = [variant.name for variant in variants if variant.offered and variant.name in faulty]
    refused = [variant.name for variant in variants if not variant.offered and variant.name not in faulty]
    told = f"{len(offered)} of {len(FAULTY)} faulty ones offered, {len(refused)} of {len(HONEST)} honest ones not"
    print(told)  # noqa: T201 - the race's result
    assert offered == []
    assert len(refused) <= 1, [(variant.name, variant.reasons) for variant in variants if variant.name in refused]
