"""What is kept of a test: small, and enough to compute its evidence again."""

from __future__ import annotations

from typing import Literal

import msgspec

from pumice.domain.evidence.verdict import Verdict

Block = tuple[int, int, int, int]
"""Bad ones of the base, examples of the base, bad ones of the candidate, examples of the candidate."""


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The moment at which something was proven first.

    Attributes:
        verdict: What was proven.
        n: Examples that had been seen.
        counts: How often each outcome had come; of a test on blocks, the number of closed ones as ``blocks``.
    """

    verdict: Verdict
    n: int
    counts: dict[str, int]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is kept of a test.

    Attributes:
        schema: Version of this form.
        test: Name of the test.
        alpha: Its error for each verdict.
        margin: Its margin, or None.
        verdict: What it says.
        n: Examples seen.
        counts: How often each outcome came.
        blocks: The closed blocks of a test that needs them, in order.
        decision: When the verdict was reached, or None.
        e_value: Evidence for the claim at the end.
        interval: Where the true value lies, at a level of 1 - alpha over all looks together.
    """

    schema: Literal[1] = 1
    test: str
    alpha: float
    margin: float | None = None
    verdict: Verdict
    n: int
    counts: dict[str, int]
    blocks: list[Block] = msgspec.field(default_factory=list)
    decision: Decision | None = None
    e_value: float
    interval: tuple[float, float]
