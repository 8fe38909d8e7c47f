"""A certificate: what was proven of a version beside another one, with the evidence, to be signed.

It is the predicate of a statement about the version's manifest; see `pumice.domain.trust.statements`. Who reads one
need not believe what it concludes: `check_certificate` computes that again from the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from pumice.domain.errors import MalformedInput
from pumice.domain.evidence.record import Record
from pumice.domain.evidence.verdict import Verdict

CERTIFICATE = "urn:pumice:certificate:v1"
"""Type of the predicate."""

WHOLE = ""
"""Part of the data that is all of it."""

Bounds = tuple[float, float]


class CertifiedBase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that the certified one was held against.

    Attributes:
        model: Its name.
        version: Its number.
        digest: Digest of its manifest, in hex.
    """

    model: str
    version: int
    digest: str


class CertifiedData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The examples that it was seen on.

    Attributes:
        digest: SHA-256 over all of them, in hex.
        examples: How many there are.
        calibration: How many of them the passes could calibrate on.
        search: How many of them the passes could search with.
        certification: How many were kept for the proof.
        labelled: Whether they have true answers.
        seed: Of the shuffle that parted them.
        parts: Names of the parts that they belong to; empty: the data names none.
    """

    digest: str
    examples: int
    calibration: int
    search: int
    certification: int
    labelled: bool
    seed: int
    parts: list[str] = msgspec.field(default_factory=list)


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of the quality on one part of the data.

    Attributes:
        part: Name of the part; `WHOLE` for all of it.
        verdict: What is proven.
        evidence: Records of the tests; the first one decides.
        binding: Whether the verdict on the whole depends on it; not if it is too small to prove anything.
    """

    part: str
    verdict: Verdict
    evidence: list[Record]
    binding: bool = True

    @property
    def interval(self) -> Bounds:
        """Where the drop lies (without labels the rate of disagreement, which bounds it)."""
        return self.evidence[0].interval


class CertifiedLatency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Latency beside the base, measured in turn; a measurement of one machine, which nobody can compute again.

    Attributes:
        rows: Rows of the batch.
        threads: Threads of one inference.
        base_ms: Median of the base (ms).
        value_ms: Median of the certified version (ms).
        ratio: The latter over the former, pair by pair: the median; above 1 is slower.
        ratio_interval: Where it lies.
    """

    rows: int
    threads: int
    base_ms: float
    value_ms: float
    ratio: float
    ratio_interval: Bounds


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was proven of a version beside its base.

    Attributes:
        schema: Version of this form.
        created: When it was made (ISO 8601, UTC).
        pumice: Version of Pumice that made it.
        verdict: Whether it is proven that the quality lost is below ``max_drop``.
        max_drop: Quality that may be lost (a part of 1): the margin of every test.
        confidence: Level at which the verdicts on all contenders hold together.
        contenders: Variants that shared the error of 1 - confidence, of which this is one.
        base: What it was held against.
        data: On what.
        task: What a caller sends and gets.
        metric: What the quality is.
        agree: When two answers agree, in words.
        drop: What the drop is, in words.
        claims: Of all the data first, then of its parts.
        batch_dependent: Whether a row's answer depends on its batch-mates; it was certified so.
        machine: Where it was timed: the processor, its features and cores.
        latency: At the batch sizes and threads that were timed; empty: it was not.
        recipe: The passes that made it, with their options; empty: it was made elsewhere.
    """

    schema: Literal[1] = 1
    created: str
    pumice: str
    verdict: Verdict
    max_drop: float
    confidence: float
    contenders: int = 1
    base: CertifiedBase
    data: CertifiedData
    task: str
    metric: str
    agree: str
    drop: str
    claims: list[Claim]
    batch_dependent: bool = False
    machine: dict[str, str] = msgspec.field(default_factory=dict)
    latency: list[CertifiedLatency] = msgspec.field(default_factory=list)
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)


def read_certificate(predicate: Mapping[str, object], what: str) -> Certificate:
    """Read the predicate of a statement.

    Args:
        predicate: What is said.
        what: What it is, for messages.

    Raises:
        MalformedInput: It is no certificate.
    """
    try:
        return msgspec.convert(predicate, Certificate)
    except msgspec.ValidationError as error:
        raise MalformedInput(what, f"it is no certificate: {error}") from None


def joined(verdicts: Sequence[Verdict]) -> Verdict:
    """What is proven of several parts together: a claim on all of them holds only if it holds on each."""
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if set(verdicts) == {Verdict.PASS} else Verdict.NOT_YET
