"""A certificate as an honest optimizer makes it, and every way to doctor one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from pumice.domain.evidence.certificate import (
    WHOLE,
    Certificate,
    CertifiedBase,
    CertifiedData,
    CertifiedLatency,
    Claim,
)
from pumice.domain.store.records import VersionRecord
from pumice.evidence import Decision, Disagreement, NonInferiority, Record, Verdict

RECIPE = {"passes": [{"pass": "int8-dynamic", "options": {}}]}
N = 2000


def evidence(lost: int, n: int = N, margin: float = 0.02, alpha: float = 0.025) -> list[Record]:
    """What the tests say of a candidate that is wrong on ``lost`` of ``n`` examples on which its base is right."""
    right = np.ones(n, bool)
    candidate = right.copy()
    candidate[:: n // lost] = False
    quality, agreement = NonInferiority(margin, alpha), Disagreement(margin, alpha)
    quality.update(right, candidate)
    agreement.update(candidate)
    return [quality.record(), agreement.record()]


def certificate(base: VersionRecord) -> Certificate:
    """Of a variant that passes on all examples and on one part of them."""
    return Certificate(
        created="2026-12-01T12:00:00+00:00",
        pumice="0.1.0",
        verdict=Verdict.PASS,
        max_drop=0.02,
        confidence=0.95,
        contenders=2,
        base=CertifiedBase(base.model, base.version, base.digest),
        data=CertifiedData(
            digest="ab" * 32,
            examples=2500,
            calibration=300,
            search=200,
            certification=N,
            labelled=True,
            seed=7,
            parts=["long", "short"],
        ),
        task="tensor",
        metric="accuracy",
        agree="the largest number of both stands in the same place",
        drop="right answers of the base less those of the variant",
        claims=[
            Claim(WHOLE, Verdict.PASS, evidence(4)),
            Claim("short", Verdict.PASS, evidence(2, 1200)),
            Claim("long", Verdict.NOT_YET, evidence(1, 50), binding=False),
        ],
        machine={"processor": "one", "cores": "2"},
        latency=[CertifiedLatency(16, 1, 12.0, 9.0, 0.75, (0.74, 0.77))],
        recipe=RECIPE,
    )


def _record(change: Callable[[Record], Record], claim: int = 0) -> Callable[[Certificate], Certificate]:
    def doctor(whole: Certificate) -> Certificate:
        claims = list(whole.claims)
        first, *rest = claims[claim].evidence
        claims[claim] = replace(claims[claim], evidence=[change(first), *rest])
        return replace(whole, claims=claims)

    return doctor


def _fewer_lost(record: Record) -> Record:
    return replace(record, counts={"equal": record.n, "only_base": 0, "only_candidate": 0})


def _passed(record: Record) -> Record:
    return replace(record, verdict=Verdict.PASS, decision=Decision(Verdict.PASS, record.n, record.counts))


def _of(lost: int, verdict: Verdict = Verdict.PASS, **more: float) -> Callable[[Certificate], Certificate]:
    """Evidence that is sound in itself, under a verdict that it does not carry."""

    def doctor(whole: Certificate) -> Certificate:
        return replace(whole, claims=[Claim(WHOLE, verdict, evidence(lost, **more)), *whole.claims[1:]])  # type: ignore[arg-type]

    return doctor


DOCTORED: dict[str, tuple[Callable[[Certificate], Certificate], str]] = {
    "a count": (_record(_fewer_lost), "has seen more than there was"),
    "more examples": (_record(lambda record: replace(record, n=record.n + 500)), "does not follow"),
    "a record's error": (_record(lambda record: replace(record, alpha=record.alpha / 2)), "evidence"),
    "a record's verdict": (lambda whole: _record(_passed)(_of(120)(whole)), "do not prove 'pass'"),
    "a part's verdict": (_of(120), "its evidence says 'fail'"),
    "not yet told as pass": (_of(30), "its evidence says 'not yet'"),
    "the verdict": (_of(120, Verdict.FAIL), "what it claims of its parts says 'fail'"),
    "a worse margin's proof": (_of(4, margin=0.05), "is about a margin of 0.05"),
    "the margin": (lambda whole: replace(whole, max_drop=0.001), "is about a margin of 0.02"),
    "the confidence": (lambda whole: replace(whole, confidence=0.99), "too much for a confidence of 0.99"),
    "many contenders": (lambda whole: replace(whole, contenders=20), "too much for a confidence"),
    "no margin": (lambda whole: replace(whole, max_drop=0.0), "its margin, confidence"),
    "fewer examples kept": (
        lambda whole: replace(whole, data=replace(whole.data, certification=100)),
        "100 were kept for the proof",
    ),
    "no evidence": (lambda whole: replace(whole, claims=[Claim(WHOLE, Verdict.PASS, [])]), "claim something"),
    "no evidence of the drop": (
        lambda whole: replace(
            whole, claims=[replace(whole.claims[0], evidence=whole.claims[0].evidence[1:]), *whole.claims[1:]]
        ),
        "test 'non-inferiority', which decides",
    ),
    "without labels": (
        lambda whole: replace(whole, data=replace(whole.data, labelled=False)),
        "test 'disagreement', which decides",
    ),
    "a part for the whole": (lambda whole: replace(whole, claims=whole.claims[1:]), "of all examples first"),
    "a part twice": (lambda whole: replace(whole, claims=[*whole.claims, whole.claims[1]]), "once of each part"),
    "a part less": (lambda whole: replace(whole, claims=whole.claims[:2]), "once of each part"),
    "a part that binds left out": (
        lambda whole: replace(
            whole, claims=[whole.claims[0], Claim("short", Verdict.NOT_YET, evidence(20, 1200), False), whole.claims[2]]
        ),
        "is left out of the verdict",
    ),
    "a part that failed left out": (
        lambda whole: replace(
            whole, claims=[*whole.claims[:2], Claim("long", Verdict.FAIL, evidence(25, 50), binding=False)]
        ),
        "is left out of the verdict",
    ),
    "another parent": (
        lambda whole: replace(whole, base=replace(whole.base, version=3)),
        "which is not what it was made from",
    ),
    "another parent's digest": (
        lambda whole: replace(whole, base=replace(whole.base, digest="cd" * 32)),
        "which is not what it was made from",
    ),
    "another recipe": (lambda whole: replace(whole, recipe={"passes": []}), "another recipe"),
    "made elsewhere, beside a base that is another one": (
        lambda whole: replace(whole, recipe={}, base=replace(whole.base, digest="cd" * 32)),
        "has another digest than when it was certified",
    ),
}
"""What is done to an honest certificate, and a part of the reason for which it is refused."""
