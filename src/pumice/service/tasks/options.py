"""Limits of asynchronous tasks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """Limits of asynchronous tasks; the settings of the same meaning fill them.

    Attributes:
        concurrency: Tasks that run at once.
        result_ttl: How long results are kept, and how long a task is tried while its model cannot answer (s).
        max_tasks: Most unfinished tasks; more are refused.
        database: SQLAlchemy URL of the PostgreSQL database that keeps them; empty: a file in the home.
        webhook_hosts: Hosts that webhooks may go to, with commas; empty: webhooks are refused.
        webhook_secret: Secrets that sign them, with commas; empty: the home's own.
        webhook_ca: PEM file of the authorities of their receivers; empty: the public ones.
        lease: How long a gateway may give no sign before others take its tasks (s).
    """

    concurrency: int = 64
    result_ttl: float = 86_400.0
    max_tasks: int = 1_000_000
    database: str = ""
    lease: float = 30.0
    webhook_hosts: str = ""
    webhook_secret: str = ""
    webhook_ca: str = ""

    @property
    def every(self) -> float:
        """How often a gateway gives a sign, and keeps house (s)."""
        return self.lease / 3


@dataclass(frozen=True, slots=True)
class TaskWish:
    """What a caller wants of a task besides its result.

    Attributes:
        face: A word of the face's own, which `pumice.service.tasks.TaskRecord.face` gives back.
        caller: Who asks, if it has proven that: only it sees the task then. Empty: everybody who may come in.
        ttl: How long its result is to be kept (s), at most `TaskOptions.result_ttl`; None: as long as that.
        webhook: URL that is told when it is finished; empty: none.
    """

    face: str = ""
    caller: str = ""
    ttl: float | None = None
    webhook: str = ""
