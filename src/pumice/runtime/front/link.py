"""The connection to a replica: one batch goes out, one answer comes back."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from pumice.domain.model import Parameter
from pumice.protocol.frame_reader import NONSENSE, FrameReader
from pumice.protocol.frames import (
    SHARED_MIN_BYTES,
    BatchHead,
    Packed,
    ReplyHead,
    decode_reply,
    frame,
    read_tensors,
    write_shared,
)
from pumice.runtime.front.ticket import Ticket
from pumice.runtime.memory import SharedMemory, receive_page, send_pair
from pumice.runtime.page import StatusView

_log = logging.getLogger("pumice.replica")
_count = itertools.count(1)


@dataclass(slots=True)
class Batch:
    """Requests that run together.

    Attributes:
        tickets: In the order of their rows.
        packed: Their joined inputs.
        rows: Sum of their rows.
        parameters: Their common parameters.
        warm_rows: If not 0: a warm-up of so many rows, without tickets.
        traces: Trace contexts of the requests that brought one.
        limit: Longest that the model may take for it (s); 0: as long as it likes.
        started: When it was sent, on the monotonic clock (s).
    """

    tickets: list[Ticket]
    packed: Packed
    rows: int
    parameters: dict[str, Parameter] = field(default_factory=dict)
    warm_rows: int = 0
    traces: list[str] = field(default_factory=list)
    limit: float = 0.0
    started: float = 0.0


Replied = Callable[[Batch, ReplyHead, dict[str, np.ndarray]], None]
"""Called with a batch, what the replica said, and its outputs; these are copies or views of immutable bytes."""


class ReplicaLink(asyncio.Protocol):
    """Speaks frames with one replica.

    Args:
        replied: Called with each answer.
        lost: Called once with the batch that was under way (if any) when the replica goes away.

    Attributes:
        number: Id of the connection, by which the replica names it on its status page.
        batch: The batch that is under way.
        gone: The connection was made and has ended.
        broken: It ended because nonsense came.
    """

    def __init__(self, replied: Replied, lost: Callable[[Batch | None], None]) -> None:
        self.number = os.getpid() << 32 | next(_count)
        self.batch: Batch | None = None
        self.gone = False
        self.broken = False
        self._replied = replied
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None
        self._inputs: SharedMemory | None = None
        self._outputs: SharedMemory | None = None
        self._reader = FrameReader(SHARED_MIN_BYTES)
        self._number = 0

    async def connect(self, path: str, name: str) -> StatusView:
        """Connect to a listening replica, hand it the shared memory and get its status page.

        A replica that runs another front's batch answers when that is done.

        Raises:
            OSError: It does not listen, or has gone.
        """
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(path)  # a Unix socket that listens answers at once
            self._inputs, self._outputs = send_pair(sock, name, self.number)
            await _readable(sock)
            page = receive_page(sock)
            await loop.create_unix_connection(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            self._forget()
            raise
        return page

    def run(self, batch: Batch) -> None:
        """Send a batch; only when none is under way."""
        assert self.batch is None and self._transport is not None and self._inputs is not None  # noqa: S101, PT018
        self.batch = batch
        batch.started = time.monotonic()
        self._number += 1
        packed = batch.packed
        shared = packed.nbytes if packed.nbytes >= SHARED_MIN_BYTES else 0
        head = BatchHead(
            self._number, packed.heads, batch.parameters, shared, batch.warm_rows, batch.traces, batch.limit
        )
        if shared:
            write_shared(self._inputs.view(shared), packed.pieces)
            self._transport.write(frame(head))
        else:
            self._transport.write(frame(head, packed.pieces))

    def close(self) -> None:
        """Leave the replica alone."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        # a stream socket's transport; uvloop's do not say so by their class
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take the answer, when it is whole."""
        try:
            answers = [self._read(*parts) for parts in self._reader.feed(data)]
        except NONSENSE as error:
            self._break(str(error))
            return
        for head, outputs in answers:
            self._answer(head, outputs)

    def _read(self, header: memoryview, payload: memoryview) -> tuple[ReplyHead, dict[str, np.ndarray]]:
        head = decode_reply(header)
        return head, self._outputs_of(head, payload)

    def _answer(self, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        batch = self.batch
        if batch is None or head.number != self._number:
            self._break(f"an answer to batch {head.number}")
            return
        self.batch = None
        self._replied(batch, head, outputs)

    def _outputs_of(self, head: ReplyHead, payload: memoryview) -> dict[str, np.ndarray]:
        if head.shared:
            assert self._outputs is not None  # noqa: S101 - a connection has its memory
            # the replica writes its next answer over this one: copy before it gets the next batch
            views = read_tensors(head.tensors, self._outputs.view(head.shared), shared=True)
            return {name: array.copy() for name, array in views.items()}
        return read_tensors(head.tensors, payload, shared=False)

    def _break(self, problem: str) -> None:
        """End a connection on which something came that no replica of ours says: the model's code wrote there."""
        _log.error("replica talks nonsense", extra={"connection": self.number, "problem": problem})
        self.broken = True
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report what was under way."""
        del exc
        batch, self.batch = self.batch, None
        self.gone = True
        self._forget()
        self._lost(batch)

    def _forget(self) -> None:
        for memory in (self._inputs, self._outputs):
            if memory is not None:
                memory.close()
        self._inputs = self._outputs = None


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_reader(sock, told.set)
    try:
        await told.wait()
    finally:
        loop.remove_reader(sock)
