"""A replica's loop: take a batch from one front after the other, run it, answer.

One thread does it all. A front has at most one batch here at a time, so a frame is read to its end without looking
at other connections.
"""

from __future__ import annotations

import selectors
import socket
import time
import traceback

import numpy as np

from pumice.domain.errors import ModelFailed, PumiceError
from pumice.engines.context import set_traces
from pumice.protocol.frames import (
    MAX_HEADER_BYTES,
    PREFIX,
    SHARED_MIN_BYTES,
    BatchHead,
    ReplyHead,
    decode_batch,
    frame,
    pack,
    read_tensors,
    record_error,
    write_shared,
)
from pumice.runtime.memory import receive_pair, send_page
from pumice.runtime.page import StatusPage
from pumice.runtime.worker.tasks import Pipeline

_MOST_TOLD = 2000
"""Most that is told of an exception (characters)."""

_READ_BYTES = 32 * 1024
"""Most that one read takes: nearly every frame, and no buffer so large that it is mapped anew each time (bytes)."""


def failure(error: BaseException, model: str) -> ModelFailed:
    """Tell an exception of a model's code in one line; the libraries of C++ have their own word for no memory."""
    told = f"{type(error).__name__}: {error}"[:_MOST_TOLD]
    if isinstance(error, MemoryError) or "bad_alloc" in told or "ailed to allocate memory" in told:
        return ModelFailed(model, f"out of memory ({told}); send less at once, or give more with 'memory_limit'")
    return ModelFailed(model, told)


class Connection:
    """One front's connection and the memory that it shares with this replica.

    Args:
        sock: The connection.
        page: The replica's status page, which the front gets.

    Attributes:
        number: The connection's id.
    """

    def __init__(self, sock: socket.socket, page: StatusPage) -> None:
        self._sock = sock
        self.number, self._inputs, self._outputs = receive_pair(sock)
        send_page(sock, page)

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._sock.fileno()

    def receive(self) -> tuple[BatchHead, memoryview] | None:
        """Read one frame to its end; None if the front has gone."""
        data: bytes | bytearray = self._sock.recv(_READ_BYTES)
        if not data:
            return None
        while len(data) < PREFIX.size:
            data += self._more(PREFIX.size - len(data))
        header_length, payload_length = PREFIX.unpack_from(data)
        if header_length > MAX_HEADER_BYTES:
            return None
        end = PREFIX.size + header_length
        whole = end + payload_length
        if len(data) < whole:
            data = self._rest(data, whole)
        view = memoryview(data)
        return decode_batch(view[PREFIX.size : end]), view[end:whole]

    def inputs(self, head: BatchHead, payload: memoryview) -> dict[str, np.ndarray]:
        """Build the tensors of a batch as views, read-only."""
        if not head.shared:
            return read_tensors(head.tensors, payload, shared=False)
        return read_tensors(head.tensors, self._inputs.view(head.shared).toreadonly(), shared=True)

    def reply(self, number: int, outputs: dict[str, np.ndarray], began: float, seconds: float) -> None:
        """Send the outputs of a batch."""
        packed = pack([outputs], 0)
        shared = packed.nbytes if packed.nbytes >= SHARED_MIN_BYTES else 0
        if shared:
            write_shared(self._outputs.view(shared), packed.pieces)
        head = ReplyHead(number, packed.heads, seconds, shared, began=began)
        self._sock.sendall(frame(head, () if shared else packed.pieces))

    def fail(self, number: int, error: BaseException, model: str, seconds: float) -> None:
        """Send what went wrong with a batch."""
        if isinstance(error, PumiceError):
            head = ReplyHead(number, [], seconds, 0, record_error(error))
        else:
            known = failure(error, model)
            trace = "".join(traceback.format_exception(error))
            head = ReplyHead(number, [], seconds, 0, record_error(known), trace)
        self._sock.sendall(frame(head))

    def close(self) -> None:
        """Forget the front."""
        self._sock.close()
        self._inputs.close()
        self._outputs.close()

    def _more(self, most: int) -> bytes:
        data = self._sock.recv(most)
        if not data:
            raise ConnectionError("the front closed the connection within a frame")
        return data

    def _rest(self, data: bytes | bytearray, whole: int) -> bytearray:
        buffer = bytearray(whole)
        buffer[: len(data)] = data
        view, filled = memoryview(buffer), len(data)
        while filled < whole:
            count = self._sock.recv_into(view[filled:])
            if not count:
                raise ConnectionError("the front closed the connection within a frame")
            filled += count
        return buffer


def serve(listener: socket.socket, pipeline: Pipeline, model: str, page: StatusPage) -> None:
    """Answer batches for ever."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ, None)
        while True:
            for key, _ in selector.select():
                connection: Connection | None = key.data
                try:
                    if connection is None:
                        accepted = Connection(listener.accept()[0], page)
                        selector.register(accepted, selectors.EVENT_READ, accepted)
                    elif not answer(connection, pipeline, model, page):
                        selector.unregister(connection)
                        connection.close()
                except OSError:
                    # the front died in the middle; the others are still to be served
                    if connection is not None:
                        selector.unregister(connection)
                        connection.close()


def answer(connection: Connection, pipeline: Pipeline, model: str, page: StatusPage) -> bool:
    """Take one batch, run it and answer; False if the front has gone."""
    received = connection.receive()
    if received is None:
        return False
    head, payload = received
    page.begin(connection.number, head.number, head.limit)
    try:
        _run(connection, pipeline, model, head, payload)
    finally:
        # not before the answer is out: a batch that the page does not show at a replica's death is run again;
        # and also if there is nobody left to answer, or the call would seem to run for ever
        page.end()
    return True


def _run(connection: Connection, pipeline: Pipeline, model: str, head: BatchHead, payload: memoryview) -> None:
    started = time.monotonic()
    try:
        set_traces(tuple(head.traces))
        inputs = _warm(pipeline, head.warm_rows) if head.warm_rows else connection.inputs(head, payload)
        started = time.monotonic()
        outputs = pipeline.run(inputs, head.parameters)
        seconds = time.monotonic() - started
    except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit too; the front is told
        connection.fail(head.number, error, model, time.monotonic() - started)
        return
    connection.reply(head.number, outputs, started, seconds)


def _warm(pipeline: Pipeline, rows: int) -> dict[str, np.ndarray]:
    inputs = pipeline.warm_inputs()
    if rows == 1:
        return inputs
    return {name: np.repeat(array, rows, axis=0) for name, array in inputs.items()}
