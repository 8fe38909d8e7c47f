"""The connection to a replica for answers in parts: many streams at once, each under a number."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import numpy as np

from pumice.domain.request import InferRequest
from pumice.protocol.frame_reader import NONSENSE, FrameReader
from pumice.protocol.frames import read_tensors
from pumice.protocol.stream_frames import SUFFIX, News, Order, decode_news, stream_frame, tensors_of

_log = logging.getLogger("pumice.replica")

_MOST_OF_A_PART = 1 << 36
"""No part is as large (bytes): a length beyond is no length."""

S = TypeVar("S")

Told = Callable[[S, News, dict[str, np.ndarray]], None]
"""Called with a stream, what the replica tells of it, and the tensors of a part."""


class StreamLink(asyncio.Protocol, Generic[S]):
    """Speaks stream frames with one replica.

    Args:
        told: Called with all that the replica tells.
        lost: Called once when it goes away.

    Attributes:
        streams: What runs there, by number.
    """

    def __init__(self, told: Told[S], lost: Callable[[], None]) -> None:
        self.streams: dict[int, S] = {}
        self._told = told
        self._lost = lost
        self._numbers = itertools.count(1)
        self._unheard: deque[float] = deque()  # when orders were sent that the replica has not taken note of
        self._transport: asyncio.WriteTransport | None = None
        self._reader = FrameReader(_MOST_OF_A_PART)

    async def connect(self, path: str) -> None:
        """Connect to a replica that listens.

        Args:
            path: Of the socket on which it takes batches.

        Raises:
            OSError: It does not listen.
        """
        await asyncio.get_running_loop().create_unix_connection(lambda: self, path + SUFFIX)

    def run(self, stream: S, request: InferRequest, parts: int, limit: float) -> int:
        """Have a request run, and return the number of its stream.

        Args:
            stream: Told of what comes.
            request: What is asked.
            parts: How many parts may come before `more` is called.
            limit: Longest silence of the model (s).
        """
        number = next(self._numbers)
        self.streams[number] = stream
        heads, pieces = tensors_of(request.inputs)
        traces = [request.traceparent] if request.traceparent else []
        self._unheard.append(time.monotonic())
        self._send(Order(number, "run", parts, heads, request.parameters, limit, traces), pieces)
        return number

    def more(self, number: int, parts: int) -> None:
        """Let more parts of a stream come."""
        if number in self.streams:
            self._send(Order(number, "more", parts))

    def end(self, number: int) -> None:
        """Have a stream stopped; its end is told as always."""
        if number in self.streams:
            self._unheard.append(time.monotonic())
            self._send(Order(number, "end"))

    def unheard_since(self) -> float | None:
        """When the first order was sent that the replica has not taken note of (s); None: it has of all."""
        return self._unheard[0] if self._unheard else None

    def close(self) -> None:
        """Leave the replica alone; its streams there end."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        # a stream socket's transport; uvloop's do not say so by their class
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole."""
        try:
            told = [self._read(*parts) for parts in self._reader.feed(data)]
        except NONSENSE as error:
            # the model's code wrote there; who waits is told that the replica is lost
            _log.error("replica talks nonsense", extra={"problem": str(error)})
            if self._transport is not None:
                self._transport.abort()
            return
        for news, outputs in told:
            if news.kind == "heard":
                if self._unheard:
                    self._unheard.popleft()
                continue
            stream = self.streams.pop(news.number, None) if news.kind == "end" else self.streams.get(news.number)
            if stream is not None:
                self._told(stream, news, outputs)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report it."""
        del exc
        self._transport = None
        self._lost()

    def _read(self, header: memoryview, payload: memoryview) -> tuple[News, dict[str, np.ndarray]]:
        news = decode_news(header)
        return news, read_tensors(news.tensors, payload, shared=False)

    def _send(self, order: Order, pieces: list[list[np.ndarray]] | None = None) -> None:
        if self._transport is not None:
            self._transport.write(stream_frame(order, pieces or []))
