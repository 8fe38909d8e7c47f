"""Answers in parts: a replica's second socket, on which fronts have many streams run at once.

A thread accepts, one a connection reads, and each running stream has one of a pool. What a front does not take waits
in the model: a stream that has sent as many parts as were asked for stands still until more are.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import numpy as np

from pumice.domain.errors import ModelFailed, PumiceError
from pumice.engines.base import Parts
from pumice.engines.context import set_traces
from pumice.protocol.frames import MAX_HEADER_BYTES, PREFIX, read_tensors, record_error
from pumice.protocol.stream_frames import News, Order, decode_order, stream_frame, tensors_of
from pumice.runtime.page import StatusPage
from pumice.runtime.worker.tasks import StreamPipeline

_GRACE = 2.0
"""How much longer than its limit a stream may be silent before the whole replica is taken for hung (s).

The front ends a silent stream at its limit; a model that still speaks meanwhile loses this stream only.
"""


class StreamServer:
    """Takes streams from fronts.

    Args:
        listener: The socket.
        pipeline: Runs the model.
        model: Its name, for messages.
        page: Where it is seen which stream was silent for longest.
    """

    def __init__(self, listener: socket.socket, pipeline: StreamPipeline, model: str, page: StatusPage) -> None:
        self._listener = listener
        self._pipeline = pipeline
        self._model = model
        self._board = _Board(page)
        self._pool = ThreadPoolExecutor(pipeline.concurrency, thread_name_prefix="stream")

    def start(self) -> None:
        """Begin to take streams, in threads that end with the process."""
        threading.Thread(target=self._accept, name="streams", daemon=True).start()

    def _accept(self) -> None:
        while True:
            front = _Front(self._listener.accept()[0])
            threading.Thread(target=self._read, args=[front], name="front", daemon=True).start()

    def _read(self, front: _Front) -> None:
        streams: dict[int, _Stream] = {}
        # a front that is gone, or sends what no front sends, wants none of its streams any more
        with suppress(OSError, ValueError, EOFError), closing(front):
            while True:
                order, payload = front.receive()
                if order.kind != "more":
                    front.send(News(order.number, "heard"))
                stream = streams.get(order.number)
                if order.kind == "run":
                    stream = streams[order.number] = _Stream(front, order, payload)
                    self._pool.submit(self._run, stream, streams)
                elif stream is not None and order.kind == "more":
                    stream.grant(order.amount)
                elif stream is not None:
                    stream.end()
        for stream in list(streams.values()):
            stream.end()

    def _run(self, stream: _Stream, streams: dict[int, _Stream]) -> None:
        error: Exception | None = None
        try:
            if not stream.ended:
                self._board.begin(stream)
                self._answer(stream)
        except OSError as gone:
            if not stream.front.closed:  # the model's own trouble with files or sockets
                error = gone
        except Exception as raised:  # noqa: BLE001 - the model's own code may raise anything; it is sent whole to the front
            error = raised
        finally:
            self._board.end(stream)
            streams.pop(stream.number, None)
        with suppress(OSError):
            stream.front.send(_last(stream.number, error, self._model))

    def _answer(self, stream: _Stream) -> None:
        set_traces(tuple(stream.order.traces))
        stream.front.send(News(stream.number, "began"))
        inputs = read_tensors(stream.order.tensors, stream.payload, shared=False)
        with closing(self._pipeline.stream(inputs, stream.order.parameters)) as parts:
            stream.parts = parts
            for outputs in parts:
                if stream.ended:
                    break
                heads, pieces = tensors_of(outputs)
                stream.front.send(News(stream.number, "part", heads), pieces)
                self._board.silence(stream, expected=False)
                if not stream.until_more():
                    break
                self._board.silence(stream, expected=True)


def _last(number: int, error: Exception | None, model: str) -> News:
    if error is None:
        return News(number, "end")
    if isinstance(error, PumiceError):
        return News(number, "end", error=record_error(error))
    known = ModelFailed(model, f"{type(error).__name__}: {error}"[:2000])
    return News(number, "end", error=record_error(known), trace="".join(traceback.format_exception(error)))


class _Stream:
    """One stream."""

    def __init__(self, front: _Front, order: Order, payload: memoryview) -> None:
        self.front = front
        self.order = order
        self.payload = payload
        self.number = order.number
        self.parts: Parts | None = None
        self.ended = False
        self.spoke = 0.0
        self._left = order.amount
        self._changed = threading.Condition()

    def grant(self, amount: int) -> None:
        with self._changed:
            self._left += amount
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self.ended = True
            self._changed.notify()
        if self.parts is not None:
            self.parts.cancel()

    def until_more(self) -> bool:
        """Count a part, and wait until another is wanted; False: none will be."""
        with self._changed:
            self._left -= 1
            self._changed.wait_for(lambda: self._left > 0 or self.ended)
            return not self.ended


class _Board:
    """Keeps on the status page the stream that was silent for longest of those that ought to speak."""

    def __init__(self, page: StatusPage) -> None:
        self._page = page
        self._speaking: dict[_Stream, None] = {}
        self._lock = threading.Lock()

    def begin(self, stream: _Stream) -> None:
        self.silence(stream, expected=True)

    def end(self, stream: _Stream) -> None:
        with self._lock:
            self._speaking.pop(stream, None)
            self._page.end()
            self._show()

    def silence(self, stream: _Stream, *, expected: bool) -> None:
        with self._lock:
            stream.spoke = time.monotonic()
            self._speaking.pop(stream, None)
            if expected:
                self._speaking[stream] = None  # behind those that have been silent for longer
            self._show()

    def _show(self) -> None:
        first = next(iter(self._speaking), None)
        if first is None:
            self._page.show(0, 0, 0.0, 0.0)
        else:
            limit = first.order.limit
            self._page.show(os.getpid(), first.number, first.spoke, limit + _GRACE if limit else 0.0)


class _Front:
    """A front's connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.closed = False
        self._sock = sock
        self._stream = sock.makefile("rb")
        self._lock = threading.Lock()

    def receive(self) -> tuple[Order, memoryview]:
        header_length, payload_length = PREFIX.unpack(self._exactly(PREFIX.size))
        if header_length > MAX_HEADER_BYTES:
            raise ValueError(header_length)
        order = decode_order(self._exactly(header_length))
        return order, memoryview(self._exactly(payload_length))

    def send(self, news: News, pieces: list[list[np.ndarray]] | None = None) -> None:
        data = stream_frame(news, pieces or [])
        with self._lock:
            self._sock.sendall(data)

    def close(self) -> None:
        self.closed = True
        self._stream.close()
        self._sock.close()

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise EOFError
        return data
