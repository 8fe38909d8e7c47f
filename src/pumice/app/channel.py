"""Messages between the parent and one front, over a Unix socket: told, or asked and answered.

A frame is ``<u32 length> <msgpack of [number, kind, body]>``. Messages of one side are handled in their order; of
questions, the part before the first wait is.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Any, Generic, TypeVar, cast

import msgspec

from pumice.domain.errors import PumiceError
from pumice.protocol.frames import ErrorRecord, error_of, record_error

_log = logging.getLogger("pumice.channel")

_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode


class _Kind(IntEnum):
    TOLD = 0
    ASKED = 1
    ANSWERED = 2
    FAILED = 3


class _Packet(msgspec.Struct, array_like=True):
    number: int
    kind: int
    body: msgspec.Raw


Incoming = TypeVar("Incoming")
Answer = TypeVar("Answer")


class ChannelLost(ConnectionError):
    """The other side is gone."""


class Channel(asyncio.Protocol, Generic[Incoming]):
    """One end.

    Args:
        incoming: Type of what the other side tells and asks.
        told: Called with what it tells.
        asked: Called with what it asks; gives the answer.
        lost: Called when the other side is gone.
    """

    def __init__(
        self,
        incoming: Any,
        told: Callable[[Incoming], None],
        asked: Callable[[Incoming], Awaitable[object]],
        lost: Callable[[], None],
    ) -> None:
        self._decode: msgspec.msgpack.Decoder[Incoming] = msgspec.msgpack.Decoder(incoming)
        self._packet = msgspec.msgpack.Decoder(_Packet)
        self._told = told
        self._asked = asked
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None
        self._data = bytearray()
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._gone = False

    async def connect(self, sock: socket.socket) -> None:
        """Begin to speak over a connected socket."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=sock)

    def tell(self, body: object) -> None:
        """Send a message; does nothing if the other side is gone."""
        self._send(0, _Kind.TOLD, body)

    async def ask(self, body: object, answer: type[Answer], limit: float | None = None) -> Answer:
        """Send a message and wait for its answer.

        Args:
            body: The message.
            answer: Type of the answer.
            limit: Longest wait (s).

        Raises:
            PumiceError: What the other side raised.
            ChannelLost: It is gone.
            TimeoutError: It did not answer in time.
        """
        if self._gone:
            raise ChannelLost
        number = next(self._numbers)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(number, _Kind.ASKED, body)
            async with asyncio.timeout(limit):
                raw = await future
        finally:
            del self._open[number]
        return msgspec.msgpack.decode(raw, type=answer)

    def close(self) -> None:
        """Hang up, when what was sent is out."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        self._data += data
        while len(self._data) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._data)[0]
            if len(self._data) < end:
                return
            packet = self._packet.decode(bytes(self._data[_LENGTH.size : end]))
            del self._data[:end]
            self._take(packet)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is open."""
        del exc
        self._gone = True
        for future in self._open.values():
            if not future.done():
                future.set_exception(ChannelLost())
        for task in self._answering:
            task.cancel()
        self._lost()

    def _take(self, packet: _Packet) -> None:
        if packet.kind == _Kind.TOLD:
            self._told(self._decode.decode(packet.body))
        elif packet.kind == _Kind.ASKED:
            task = asyncio.get_running_loop().create_task(self._reply(packet))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        else:
            future = self._open.get(packet.number)
            if future is None or future.done():
                return
            if packet.kind == _Kind.ANSWERED:
                future.set_result(packet.body)
            else:
                future.set_exception(error_of(msgspec.msgpack.decode(packet.body, type=ErrorRecord), ""))

    async def _reply(self, packet: _Packet) -> None:
        try:
            answer = await self._asked(self._decode.decode(packet.body))
        except PumiceError as error:
            self._send(packet.number, _Kind.FAILED, record_error(error))
        except Exception as error:
            # the other side must not wait for ever; what it was goes to the log of this one
            self._send(packet.number, _Kind.FAILED, record_error(PumiceError()))
            _log.error("a question between processes failed unexpectedly", exc_info=error)
            raise
        else:
            self._send(packet.number, _Kind.ANSWERED, answer)

    def _send(self, number: int, kind: _Kind, body: object) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        data = _encode((number, int(kind), body))
        with contextlib.suppress(ConnectionError):
            self._transport.write(_LENGTH.pack(len(data)) + data)
