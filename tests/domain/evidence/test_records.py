"""Records: what is kept carries its own proof, and nothing else is believed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.domain.errors import Tampered
from pumice.evidence import Decision, Disagreement, Harm, NonInferiority, RateIncrease, Record, Verdict, recheck


def records() -> list[Record]:
    """One of each test, decided and not."""
    random = np.random.default_rng(4)
    made: list[Disagreement | NonInferiority | Harm | RateIncrease] = []
    for n in (50, 3000):
        disagreement, drop, harm, rates = Disagreement(0.02), NonInferiority(0.05), Harm(), RateIncrease()
        disagreement.update(random.random(n) >= 0.005)
        drop.update(random.random(n) > 0.1, random.random(n) > 0.1)
        harm.update(random.random(n) > 0.1, random.random(n) > 0.2)
        for _ in range(n // 10):
            rates.update(random.binomial(9, 0.02), 9, random.binomial(2, 0.2), 2)
        made += [disagreement, drop, harm, rates]
    return [test.record() for test in made]


RECORDS = records()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.test}-{record.n}")
def test_a_record_is_read_again_and_goes_on(record: Record) -> None:
    read = msgspec.json.decode(msgspec.json.encode(record), type=Record)
    assert read == record
    test = recheck(read)
    assert test.record() == record
    assert len(msgspec.json.encode(record)) < 16_384


def test_both_kinds_of_verdicts_are_among_them() -> None:
    assert {record.verdict for record in RECORDS} == {Verdict.PASS, Verdict.FAIL, Verdict.NOT_YET}


def changed(record: Record) -> list[Record]:
    """Every field of a record, made a little better than it is."""
    replace = msgspec.structs.replace
    found = [
        replace(record, alpha=record.alpha / 10),
        replace(record, alpha=2.0),
        replace(record, n=record.n + 1),
        replace(record, e_value=record.e_value * 1.5 + 1.0),
        replace(record, interval=(record.interval[0], record.interval[1] - 0.01)),
        replace(record, test="honesty"),
        replace(record, margin=0.5 if record.margin is None else None),
    ]
    found += [
        replace(record, verdict=verdict, decision=Decision(verdict, record.n, record.counts))
        for verdict in (Verdict.PASS, Verdict.FAIL)
        if verdict is not record.verdict
    ]
    found += [replace(record, counts={**record.counts, name: count + 7}) for name, count in record.counts.items()]
    found += [replace(record, counts={**record.counts, name: -count - 1}) for name, count in record.counts.items()]
    if record.decision is not None:
        found.append(replace(record, verdict=Verdict.NOT_YET, decision=None))
        found.append(replace(record, decision=msgspec.structs.replace(record.decision, n=record.decision.n - 1)))
    if record.blocks:
        found.append(replace(record, blocks=record.blocks[:-1]))
        found.append(replace(record, blocks=[(5, 4, 0, 1), *record.blocks[1:]]))
    return found


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record.test}-{record.n}")
def test_a_record_that_was_made_better_is_refused(record: Record) -> None:
    for false in changed(record):
        with pytest.raises(Tampered):
            recheck(false)


@settings(deadline=None)
@given(st.sampled_from(RECORDS), st.data())
def test_a_decision_elsewhere_is_refused_or_proven(record: Record, data: st.DataObject) -> None:
    """A moment that is told must carry its verdict by itself."""
    if record.decision is None or record.blocks:
        return
    counts = {name: data.draw(st.integers(0, count)) for name, count in record.counts.items()}
    moved = msgspec.structs.replace(record, decision=Decision(record.decision.verdict, sum(counts.values()), counts))
    try:
        test = recheck(moved)
    except Tampered:
        return
    assert isinstance(test, Disagreement | NonInferiority | Harm)
    assert test.evidence_at(record.decision.verdict, counts) >= np.log(1 / record.alpha) - 1e-5
