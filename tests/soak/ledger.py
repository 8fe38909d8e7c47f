"""What became of every call: right, an error that is explained for its kind, unexplained, or hung."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.soak.caller import Caller

RIGHT = "right"
MAX_PROBLEMS = 50


@dataclass(frozen=True)
class Kind:
    """A kind of call.

    Attributes:
        name: How the table names it.
        act: Makes one call and says what came: `RIGHT`, or a word for the error.
        explained: Errors that are right for it, each with the reason.
        pause_s: Time between two calls of one caller.
        bound_s: A caller that waits longer counts as hung.
        callers: How many make such calls at once.
    """

    name: str
    act: Callable[[Caller], str]
    explained: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.05
    bound_s: float = 30.0
    callers: int = 1


class Ledger:
    """Counts calls; may be used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: dict[str, Counter[str]] = {}
        self.slowest: dict[str, float] = {}
        self.problems: list[str] = []

    def note(self, kind: Kind, outcome: str, seconds: float) -> None:
        """Count a call that took so long."""
        hung = seconds > kind.bound_s
        known = outcome == RIGHT or outcome in kind.explained
        with self._lock:
            word = "hung" if hung else outcome if known else "unexplained"
            self.counts.setdefault(kind.name, Counter())[word] += 1
            self.slowest[kind.name] = max(seconds, self.slowest.get(kind.name, 0.0))
            if (hung or not known) and len(self.problems) < MAX_PROBLEMS:
                self.problems.append(f"{kind.name}: {word} after {seconds:.2f} s: {outcome}")

    def calls(self) -> int:
        """How many were counted."""
        with self._lock:
            return sum(sum(counts.values()) for counts in self.counts.values())
