"""Inference that notes which version answered which request. A server that is not asked to does not use this."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, NamedTuple

from pumice.domain.errors import PumiceError, StorageFailed
from pumice.domain.request import InferRequest, InferResult
from pumice.runtime.front.streams import StreamTicket
from pumice.runtime.front.ticket import Ticket
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.inference import Done, Inference, Observing

if TYPE_CHECKING:
    from pumice.service.answers.log import AnswerLog

_log = logging.getLogger("pumice.answers")

WRITE_EVERY_S = 0.5
"""How often what was noted is written; a process that is killed loses as much (s)."""

_MOST_WAITING = 200_000
"""Notes that wait to be written at most; while the database is away, more are lost."""


class Note(NamedTuple):
    """An answer that was given.

    Attributes:
        request: Id of the request.
        at: When (s since 1970).
        name: Name of the model as it is served.
        version: Its version.
        source: What it is served from.
    """

    request: str
    at: float
    name: str
    version: str
    source: str


class Noter:
    """Keeps notes until they are written.

    Args:
        open_log: Opens what they are written to; called in a thread.
    """

    def __init__(self, open_log: Callable[[], AnswerLog]) -> None:
        self._open_log = open_log
        self._notes: deque[Note] = deque(maxlen=_MOST_WAITING)

    def note(self, served: ServedVersion, request: InferRequest) -> None:
        """Note that a version has answered."""
        self._notes.append(Note(request.request_id, time.time(), served.name, served.version, served.source))

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write from now on, and what is left at the end.

        Raises:
            BadArtefact: The database is damaged or of a newer Pumice.
            StorageFailed: It cannot be opened.
        """
        log = await asyncio.to_thread(self._open_log)
        task = asyncio.create_task(self._keep_writing(log))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await self._write(log)
            await asyncio.to_thread(log.close)

    async def _keep_writing(self, log: AnswerLog) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await asyncio.shield(asyncio.ensure_future(self._write(log)))

    async def _write(self, log: AnswerLog) -> None:
        if not self._notes:
            return
        if len(self._notes) == _MOST_WAITING:
            _log.error("answers were not written down: too many waited", extra={"waiting": _MOST_WAITING})
        notes = list(self._notes)
        self._notes.clear()
        try:
            await asyncio.to_thread(log.append, notes)
        except StorageFailed as error:
            _log.error("answers were not written down", extra={"problem": error.message, "answers": len(notes)})


class NotedInference(Inference):
    """`Inference` that notes which version answered.

    Args:
        catalog: The versions.
        noter: Keeps the notes.
        observing: Tells what all processes of the server counted; None if this is the only one.
    """

    def __init__(self, catalog: Catalog, noter: Noter, observing: Observing | None = None) -> None:
        super().__init__(catalog, observing)
        self._noter = noter

    async def run(self, served: ServedVersion, request: InferRequest) -> InferResult:
        """As `Inference.run`."""
        result = await super().run(served, request)
        self._noter.note(served, request)
        return result

    def submit(self, served: ServedVersion, request: InferRequest, done: Done) -> Ticket | StreamTicket:
        """As `Inference.submit`."""

        def noted(result: InferResult | None, error: PumiceError | None) -> None:
            if result is not None:
                self._noter.note(served, request)
            done(result, error)

        return super().submit(served, request, noted)

    async def _parts(
        self, served: ServedVersion, request: InferRequest, parts: AsyncGenerator[InferResult, None]
    ) -> AsyncGenerator[InferResult, None]:
        begun = False
        async with contextlib.aclosing(parts):
            async for part in parts:
                if not begun:
                    begun = True
                    self._noter.note(served, request)
                yield part

    def stream(self, served: ServedVersion, request: InferRequest) -> AsyncGenerator[InferResult, None]:
        """As `Inference.stream`; noted with its first part."""
        return self._parts(served, request, super().stream(served, request))
