"""What is proven of a candidate from truth values: as a whole, by slices, and after an interruption."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from pumice.domain.errors import BadSetting
from pumice.domain.evidence.recheck import recheck
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.quality.evidence import Claim, Proof, ProofState


@dataclass
class Judged:
    """Truth values of some examples."""

    agree: np.ndarray
    base_right: np.ndarray | None = None
    candidate_right: np.ndarray | None = None
    slices: np.ndarray | None = None


def judged(n: int, lost: float, seed: int, *, slices: dict[str, float] | None = None) -> Judged:
    """Answers of a base that is right on 90 %, and of a candidate that loses a part of them (by slice, if told)."""
    draw = np.random.default_rng(seed)
    rates = slices or {"all": lost}
    names = np.array(draw.choice(list(rates), size=n), dtype=object)
    base = draw.random(n) < 0.9
    candidate = base & (draw.random(n) >= np.array([rates[name] for name in names]) / 0.9)
    return Judged(base == candidate, base, candidate, names if slices else None)


def block(seen: Judged, start: int, end: int) -> Judged:
    """Some of them."""
    parts = (seen.agree, seen.base_right, seen.candidate_right, seen.slices)
    return Judged(*(None if part is None else part[start:end] for part in parts))  # type: ignore[arg-type]


def sizes(seen: Judged) -> dict[str, int]:
    """How many examples each slice has."""
    assert seen.slices is not None
    return dict(zip(*np.unique(seen.slices.astype(str), return_counts=True), strict=True))


@pytest.mark.parametrize("labelled", [True, False])
def test_a_harmless_candidate_passes_and_a_harmful_one_fails(labelled: bool) -> None:
    for lost, expected in ((0.001, Verdict.PASS), (0.05, Verdict.FAIL)):
        proof = Proof("accuracy", Claim(0.01, 0.05, labelled))
        seen = judged(4000, lost, 3)
        for start in range(0, 4000, 128):
            proof.update(block(seen, start, start + 128))
        found = proof.finding()
        assert proof.verdict is expected
        assert proof.needed is None
        assert proof.futile(4000) is (expected is Verdict.FAIL)
        assert found.n == 4000
        assert found.metric == ("accuracy" if labelled else "agreement")
        assert found.disagreement == pytest.approx(1 - seen.agree.mean())
        assert found.drop_interval[0] <= lost <= found.drop_interval[1]
        if labelled:
            assert seen.base_right is not None
            assert seen.candidate_right is not None
            assert (found.base, found.value) == (seen.base_right.mean(), seen.candidate_right.mean())
        else:
            assert (found.base, found.value) == (None, seen.agree.mean())
        assert [record.test for record in found.evidence] == (
            ["non-inferiority", "disagreement"] if labelled else ["disagreement"]
        )
        for record in found.evidence:
            recheck(record)


def test_too_few_examples_prove_nothing_and_say_how_many_more() -> None:
    proof = Proof("accuracy", Claim(0.01, 0.05, labelled=True))
    assert proof.verdict is Verdict.NOT_YET
    proof.update(judged(100, 0.0, 1))
    assert proof.verdict is Verdict.NOT_YET
    assert not proof.futile(1000)
    assert proof.futile(101)
    needed = proof.needed
    assert needed is not None
    assert 100 < needed < 1000
    fewest = Claim(0.01, 0.05, labelled=True).fewest()
    for count, expected in ((fewest - 1, Verdict.NOT_YET), (fewest, Verdict.PASS)):
        exact = Proof("accuracy", Claim(0.01, 0.05, labelled=True))
        exact.update(judged(count, 0.0, 1))
        assert exact.verdict is expected


def test_the_worst_slice_counts_as_well_as_the_mean() -> None:
    rates = {"day": 0.0, "dusk": 0.0, "dawn": 0.0, "night": 0.035}
    seen = judged(12_000, 0.0, 2, slices=rates)
    proof = Proof("accuracy", Claim(0.015, 0.05, labelled=True), sizes(seen))
    proof.update(seen)
    found = proof.finding()
    assert found.evidence[0].verdict is Verdict.PASS
    assert proof.verdict is Verdict.FAIL
    assert found.slices[0].name == "night"
    assert found.slices[0].verdict is Verdict.FAIL
    assert {part.verdict for part in found.slices[1:]} == {Verdict.PASS}
    assert sum(part.n for part in found.slices) == found.n
    for part in found.slices:
        recheck(part.evidence[0])


def test_a_slice_that_is_too_small_is_told_and_not_waited_for() -> None:
    rates = {"many": 0.0, "few": 0.0}
    seen = judged(3000, 0.0, 4, slices=rates)
    assert seen.slices is not None
    seen.slices[:] = "many"
    seen.slices[::30] = "few"
    usual = Proof("accuracy", Claim(0.01, 0.05, labelled=True), sizes(seen))
    strict = Proof("accuracy", Claim(0.01, 0.05, labelled=True, strict=True), sizes(seen))
    for proof in (usual, strict):
        proof.update(seen)
        few = next(part for part in proof.finding().slices if part.name == "few")
        assert (few.n, few.verdict) == (100, Verdict.NOT_YET)
    assert (usual.verdict, strict.verdict) == (Verdict.PASS, Verdict.NOT_YET)
    assert [part.binding for part in sorted(usual.finding().slices, key=lambda part: part.n)] == [False, True]
    assert all(part.binding for part in strict.finding().slices)
    needed = strict.needed
    assert needed is not None
    assert needed > 30 * 150  # only each thirtieth example helps
    assert strict.futile(3000)
    assert not strict.futile(30_000)
    # nothing is too small to fail
    bad = block(seen, 0, 3000)
    assert bad.candidate_right is not None
    bad.candidate_right = np.where(seen.slices == "few", False, bad.candidate_right)
    harmful = Proof("accuracy", Claim(0.05, 0.05, labelled=True), sizes(seen))
    harmful.update(bad)
    assert harmful.finding().evidence[0].verdict is Verdict.PASS
    assert harmful.verdict is Verdict.FAIL


def test_a_proof_goes_on_where_it_was_cut_off() -> None:
    rates = {"a": 0.002, "b": 0.004}
    seen = judged(2500, 0.0, 7, slices=rates)

    def fresh(margin: float = 0.02) -> Proof:
        return Proof("accuracy", Claim(margin, 0.05, labelled=True), sizes(seen))

    straight, first, second = fresh(), fresh(), fresh()
    straight.update(seen)
    first.update(block(seen, 0, 900))
    kept = msgspec.json.encode(first.state())
    second.restore(msgspec.json.decode(kept, type=ProofState))
    assert second.finding() == first.finding()
    second.update(block(seen, 900, 2500))
    assert second.finding() == straight.finding()
    assert second.verdict is straight.verdict is Verdict.PASS
    with pytest.raises(BadSetting, match=r"non-inferiority at 0\.03"):
        fresh(0.03).restore(first.state())
    with pytest.raises(BadSetting, match="the slices a, b; allowed the slices none"):
        Proof("accuracy", Claim(0.02, 0.05, labelled=True)).restore(first.state())


def test_what_was_not_told_is_refused() -> None:
    proof = Proof("accuracy", Claim(0.02, 0.05, labelled=True), {"a": 10})
    with pytest.raises(BadSetting, match="as there are labels"):
        proof.update(Judged(np.ones(3, bool)))
    with pytest.raises(BadSetting, match="slice: given 'b'; allowed one of a"):
        proof.update(judged(10, 0.0, 1, slices={"b": 0.0}))


@pytest.mark.parametrize("labelled", [True, False])
def test_a_harmful_candidate_seldom_passes_whoever_looks_and_whenever(labelled: bool) -> None:
    wrong = 0
    for seed in range(80):
        seen = judged(1500, 0.02, seed, slices={"a": 0.02, "b": 0.02})
        proof = Proof("accuracy", Claim(0.02, 0.1, labelled), sizes(seen))
        proof.update(seen)  # a verdict is that of the first crossing, so one update is a look at each example
        wrong += proof.verdict is Verdict.PASS
    assert wrong <= 80 * 0.1 + 3 * (80 * 0.1 * 0.9) ** 0.5
