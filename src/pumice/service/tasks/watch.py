"""Finds out that another gateway was told to cancel a task which runs here."""

from __future__ import annotations

import asyncio

from pumice.domain.errors import StorageFailed
from pumice.service.tasks.held import Held
from pumice.service.tasks.store import TaskStore

EVERY_S = 1.0
"""How often running tasks are looked up (s); while none runs, nothing is asked."""


async def drop_what_others_cancel(store: TaskStore, held: Held) -> None:
    """Drop running tasks that are finished on disk; never returns."""
    while True:
        await asyncio.sleep(EVERY_S)
        running = held.running()
        if not running:
            continue
        try:
            unfinished = await store.unfinished(running)
        except StorageFailed:
            continue  # house-keeping tells of it
        # one that has ended here meanwhile is not running any more
        for task_id in set(running).intersection(held.running()) - unfinished:
            held.drop(task_id)
