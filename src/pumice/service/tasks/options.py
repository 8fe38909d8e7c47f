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
    """

    concurrency: int = 64
    result_ttl: float = 86_400.0
    max_tasks: int = 1_000_000
