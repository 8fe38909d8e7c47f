"""What a test says."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What a test says; *not yet* never promotes anything.

    Attributes:
        PASS: The claim is proven.
        FAIL: Its opposite is proven.
        NOT_YET: Neither; more examples may tell.
    """

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NOT_YET = "not yet"
