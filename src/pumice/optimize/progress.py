"""What an optimization tells while it runs: one picture of all contenders, as often as something changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from pumice.domain.evidence.verdict import Verdict

Stage = Literal["waiting", "building", "racing", "timing", "done"]


class ContenderView(msgspec.Struct, frozen=True):
    """One contender at a moment.

    Attributes:
        name: Its recipe.
        stage: What is done with it.
        verdict: Of its quality, so far.
        n: Examples that it has answered.
        drop: Where the drop lies so far; None before the first example.
        ratio: Latency to the base so far, with its interval: value, low, high; None before it was timed.
        size_ratio: Size to the base; None before it is built.
        note: Why it was dropped, in a few words.
    """

    name: str
    stage: Stage = "waiting"
    verdict: Verdict = Verdict.NOT_YET
    n: int = 0
    drop: tuple[float, float] | None = None
    ratio: tuple[float, float, float] | None = None
    size_ratio: float | None = None
    note: str = ""


class RaceView(msgspec.Struct, frozen=True):
    """The whole race at a moment.

    Attributes:
        step: What is done now, for people.
        done: Examples of the certification that are behind.
        total: Examples of the certification.
        contenders: All of them, in the order of their names.
    """

    step: str
    done: int
    total: int
    contenders: list[ContenderView]


Watch = Callable[[RaceView], None]
"""Told whenever something changes; it must return at once."""
