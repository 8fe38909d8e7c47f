"""The way out of a call: its answers, its status and its trailers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from pumice.domain.access import Verb
from pumice.domain.errors import Cancelled, PumiceError
from pumice.gateway.grpc.errors import details_of, retry_metadata, status_of
from pumice.gateway.grpc.heads import Head
from pumice.gateway.headers import MODEL_VERSION, REQUEST_ID
from pumice.protocol.grpc.messages import prefixed
from pumice.protocol.grpc.status import HEADS, OK_TAIL, StatusCode, tail, tail_only
from pumice.protocol.http2.header_blocks import literal
from pumice.protocol.http2.streams import Stream
from pumice.service.access.audit import Act

if TYPE_CHECKING:
    from pumice.domain.access import Principal
    from pumice.gateway.grpc.connection import Connection

COMPRESS_FROM = 4096
"""Answers below this are not worth compressing (bytes)."""

_REQUEST_ID = REQUEST_ID.encode()


class Reply(Stream):
    """Answers a call, once.

    Args:
        connection: The call came over this one.
        number: Of its stream.
        head: What its head says.
        request_id: The caller's ``x-request-id``, or a new one.

    Attributes:
        principal: The caller, as the door knows it.
        request_id: See above.
        target: What a management act is about, for the record.
        trailers: Metadata that end the call, besides its id.
        abandoned: Called when the caller goes away before the answer, or its deadline passes.
    """

    __slots__ = (
        "_begun",
        "_drain",
        "_held",
        "_recorded",
        "abandoned",
        "connection",
        "head",
        "principal",
        "request_id",
        "target",
        "trailers",
    )

    def __init__(self, connection: Connection, number: int, head: Head, request_id: str) -> None:
        Stream.__init__(self, number)
        self.connection = connection
        self.head = head
        self.principal: Principal = connection.principal
        self.request_id = request_id
        self.target: dict[str, str] = {}
        self.trailers: tuple[tuple[str, str], ...] = ()
        self.abandoned: Callable[[], None] | None = None
        self._begun = False  # header fields of an answer were sent
        self._recorded = False
        self._drain: asyncio.Future[None] | None = None
        self._held = 0

    async def send(self, message: bytes) -> None:
        """Send one of several answers; waits while the caller does not take them."""
        if self.ended_out:
            raise Cancelled
        session = self.connection.session
        coding = self._coding_for(message)
        if not self._begun:
            self._begun = True
            session.begin(self, HEADS[self.head.reply_coding])
        for piece in prefixed(message, coding):
            session.send(self, piece)
        self.connection.touch()
        while self.outbox:
            self._drain = asyncio.get_running_loop().create_future()
            await self._drain

    def answer(self, message: bytes, version: str = "") -> None:
        """Answer with one message; does nothing if the caller has gone.

        Args:
            message: Its bytes.
            version: Of the model that answered; empty: none did.
        """
        if self.ended_out:
            return
        coding = self._coding_for(message)
        packed = OK_TAIL + literal(_REQUEST_ID, self.request_id.encode())
        if version:
            packed += _version_field(version)
        for name, value in self.trailers:
            packed += literal(name.encode(), value.encode("latin-1", "replace"))
        self.connection.session.answer(self, HEADS[coding], prefixed(message, coding), packed)
        self.over()

    def finish(self) -> None:
        """End a call that was answered by `send`."""
        self.end(StatusCode.OK, "", self.trailers)

    def fail(self, error: PumiceError) -> None:
        """End a call with an error."""
        self.end(status_of(error), details_of(error), (*self.trailers, *retry_metadata(error)))

    async def conclude(self, message: bytes, error: PumiceError | None) -> None:
        """Answer a call of one message, or end it with an error; what is on record is on the disk before."""
        if error is None:
            await self.record("done")
            self.answer(message)
        else:
            await self.record(_told(error))
            self.fail(error)

    async def record(self, result: str) -> None:
        """Write a management act down, once."""
        audit = self.connection.common.audit
        if audit is None or self.head.verb is not Verb.MANAGE or self._recorded:
            return
        self._recorded = True
        act = Act(
            who=self.principal.caller or "anybody",
            what=self.head.name,
            target=self.target,
            result=result,
            origin=self.connection.address,
            request_id=self.request_id,
        )
        await asyncio.shield(audit.write(act))  # it is written whoever goes away meanwhile

    def end(self, code: StatusCode, details: str, metadata: tuple[tuple[str, str], ...]) -> None:
        """End a call by any status, unless it has ended."""
        if self.ended_out or self.tail is not None:
            return
        metadata = ((REQUEST_ID, self.request_id), *metadata)
        pack = tail if self._begun else tail_only
        self.connection.session.end(self, pack(code, details, metadata))
        self.over()

    def over(self) -> None:
        """Let go of what was kept for the call."""
        self.abandoned = None  # it leads back here: without the circle no garbage is left to collect
        self.hold(0)
        self.connection.touch()

    def _coding_for(self, message: bytes) -> bytes:
        return self.head.reply_coding if len(message) >= COMPRESS_FROM else b""

    def hold(self, size: int) -> None:
        """Count what the call keeps of its messages (bytes).

        Raises:
            Overloaded: There is no room for so much.
        """
        if size != self._held:
            self.connection.share.change(size - self._held)
            self._held = size

    def drained(self) -> None:
        """The caller takes its answers."""
        if self._drain is not None and not self._drain.done():
            self._drain.set_result(None)


def _told(error: PumiceError) -> str:
    denied = status_of(error) in {StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED}
    return f"{'denied' if denied else 'failed'}: {details_of(error)}"


@lru_cache(maxsize=256)
def _version_field(version: str) -> bytes:
    return literal(MODEL_VERSION.encode(), version.encode("latin-1", "replace"))
