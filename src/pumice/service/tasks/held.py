"""The tasks that one gateway holds: those in its lanes, those that run, and who waits for them."""

from __future__ import annotations

from pumice.service.tasks.lanes import Entry, Lanes
from pumice.service.tasks.record import Progress
from pumice.service.tasks.waiters import Waiters


class Held:
    """What this gateway holds and has not finished.

    Attributes:
        lanes: Those that wait, in their order.
        waiters: Who waits for which task, held here or not.
    """

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.waiters = Waiters()
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, task_id: str) -> Entry | None:
        """The task if it is held, so that nobody has to look at the disk for it."""
        return self._entries.get(task_id)

    def add(self, entry: Entry) -> None:
        """Hold a task and let it wait for its turn."""
        self._entries[entry.task_id] = entry
        self.lanes.push(entry)

    def done(self, entry: Entry) -> None:
        """Hold a task no more: its outcome is on disk."""
        self._entries.pop(entry.task_id, None)
        self.waiters.wake(entry.task_id)

    def drop(self, task_id: str) -> None:
        """Run a task no more: it was cancelled on disk."""
        entry = self._entries.get(task_id)
        if entry is not None and not entry.over:
            entry.over = True
            self.done(entry)
            if entry.attempt is not None:
                entry.attempt.cancel()

    def running(self) -> list[str]:
        """The tasks that are being tried now."""
        return [entry.task_id for entry in self._entries.values() if entry.attempt is not None]

    def progress(self, entry: Entry) -> Progress:
        """How far a held task is."""
        ahead = self.lanes.lane(entry.key).ahead_of(entry) if entry.attempt is None else 0
        return Progress(entry.done, entry.rows, ahead)
