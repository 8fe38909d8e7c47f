"""The order in which tasks run: urgent before patient, and models take turns.

A lane holds the waiting tasks of one model. Only a window of them is in memory; the rest stays on disk and follows
as the lane drains, so a backlog of millions costs no memory and no model waits behind another's backlog. Priority is
strict among the tasks in memory, and nearly so beyond: what is on disk comes in by priority too.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from pumice.domain.request import InferRequest, InferResult

WINDOW = 256
"""Tasks of one model that are held in memory; urgent ones may double it."""

Key = tuple[str, str]
"""Model and version as callers gave them."""


@dataclass(slots=True, eq=False)
class Entry:
    """A task that this gateway holds.

    Attributes:
        task_id: Its id.
        key: Its lane.
        priority: 1 (most urgent) to 16.
        face: The face that took it.
        accepted: When (s since 1970).
        request: What is asked, plain or encoded; None if it is large: then it is read from the disk when it runs.
        caller: Who asks, if it has proven that.
        rows: Its rows.
        done: Rows that are finished.
        results: The answers to these, in their order.
        over: It was cancelled, so it is not to be run.
        attempt: The asyncio task that tries it now.
    """

    task_id: str
    key: Key
    priority: int
    face: str
    accepted: float
    request: InferRequest | bytes | None
    caller: str = ""
    rows: int = 1
    done: int = 0
    results: list[InferResult] = field(default_factory=list)
    over: bool = False
    attempt: asyncio.Task[None] | None = None


@dataclass(slots=True, eq=False)
class Lane:
    """The waiting tasks of one model.

    Attributes:
        key: The model.
        arriving: Tasks that have their place here but are not on disk yet.
        more: Whether there may be tasks on disk that nobody holds.
        refilling: Whether they are being fetched.
        blocked: Whether the model cannot answer now.
        failures: How often in a row it could not.
    """

    key: Key
    arriving: int = 0
    more: bool = False
    refilling: bool = False
    blocked: bool = False
    failures: int = 0
    waiting: list[tuple[int, str, Entry]] = field(default_factory=list)

    def has_room(self, priority: int) -> bool:
        """Whether a new task is to be held in memory; if not, it belongs behind those on disk."""
        size = len(self.waiting) + self.arriving
        if size < WINDOW and not self.more:
            return True
        return size < 2 * WINDOW and any(priority < other for other, _, _ in self.waiting)

    @property
    def wanted(self) -> int:
        """How many tasks to fetch from the disk now; 0 while the lane is more than half full."""
        if not self.more or self.refilling or len(self.waiting) > WINDOW // 2:
            return 0
        return WINDOW - len(self.waiting)

    def skip_over(self) -> None:
        """Drop what was cancelled from the head of the line."""
        while self.waiting and self.waiting[0][2].over:
            heapq.heappop(self.waiting)

    def ahead_of(self, entry: Entry) -> int:
        """How many of those in memory are to run before a task that waits."""
        place = (entry.priority, entry.task_id)
        return sum((priority, task_id) < place and not other.over for priority, task_id, other in self.waiting)


class Lanes:
    """All lanes, and whose turn it is."""

    def __init__(self) -> None:
        self._lanes: dict[Key, Lane] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def lane(self, key: Key) -> Lane:
        """The lane of a model; made at its first task."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def push(self, entry: Entry) -> None:
        """Let a task wait; one that comes back finds its old place."""
        heapq.heappush(self.lane(entry.key).waiting, (entry.priority, entry.task_id, entry))

    def pop(self) -> Entry | None:
        """Take the task whose turn it is: of the most urgent priority, of the model whose last turn is longest ago."""
        chosen: Lane | None = None
        for lane in self._lanes.values():
            lane.skip_over()
            if lane.waiting and not lane.blocked and (chosen is None or lane.waiting[0][0] < chosen.waiting[0][0]):
                chosen = lane
        if chosen is None:
            return None
        # to the end of the turn
        self._lanes[chosen.key] = self._lanes.pop(chosen.key)
        return heapq.heappop(chosen.waiting)[2]
