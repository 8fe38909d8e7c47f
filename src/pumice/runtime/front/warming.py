"""The first batches of a replica: typical requests, by the way that all requests go."""

from __future__ import annotations

import asyncio
import logging
import time

from pumice.domain.errors import ModelFailed
from pumice.domain.model import Profile
from pumice.protocol.frames import Packed, ReplyHead, error_of
from pumice.runtime.front.link import Batch, ReplicaLink
from pumice.runtime.page import StatusView

_log = logging.getLogger("pumice.replica")

_ROWS = 4
_AGAIN_BELOW = 0.05
"""More warm-ups, which tell what rows and batches cost, are left out for models whose first one took longer (s)."""


class Warmed:
    """What the warm-up gave.

    Attributes:
        page: The replica's status page.
        timings: Rows and seconds of batches.
    """

    def __init__(self, page: StatusView, timings: tuple[tuple[int, float], ...]) -> None:
        self.page = page
        self.timings = timings


async def warm_up(socket: str, name: str, profile: Profile) -> Warmed:
    """Connect to a replica that listens and run its first batches; it is ready when they come back.

    Args:
        socket: Path of its Unix socket.
        name: Model and number, for messages.
        profile: What it loaded.

    Raises:
        ModelFailed: It died, or a typical request failed.
        OSError: It does not listen.
    """
    answers: asyncio.Queue[ReplyHead | None] = asyncio.Queue()
    link = ReplicaLink(lambda _batch, head, _outputs: answers.put_nowait(head), lambda _lost: answers.put_nowait(None))

    async def run(rows: int) -> ReplyHead:
        link.run(Batch([], Packed([], [], 0), rows, warm_rows=rows))
        head = await answers.get()
        if head is None:
            raise ModelFailed(name, "its replica died while warming up")
        return head

    page = await link.connect(socket, name)
    try:
        head = await run(1)
        if head.error is not None:
            error = error_of(head.error, name)
            if profile.typical_warm_up:
                raise error
            # zeros need not mean anything to a model; it answered, and that is what was asked
            _log.warning("warm-up with zeros failed", extra={"replica": name, "problem": error.message})
            return Warmed(page, ())
        timings: list[tuple[int, float]] = []
        most = profile.max_batch_size or _ROWS
        if profile.batchable and head.seconds < _AGAIN_BELOW and most > 1:
            for rows in (min(_ROWS, most), 1):
                started = time.monotonic()
                await run(rows)
                timings.append((rows, time.monotonic() - started))
        return Warmed(page, tuple(timings))
    finally:
        link.close()
