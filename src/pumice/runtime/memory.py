"""Memory that processes share: anonymous files, handed over with a connection.

A front and a replica share two, for tensors; a replica gets those of its model, where it comes from the model store.

Both sides of the runtime share this module and `pumice.runtime.page`, nothing else.
"""

from __future__ import annotations

import mmap
import os
import resource
import socket
import struct
from collections.abc import Sequence

from pumice.runtime.page import StatusPage, StatusView

_ID = struct.Struct("<Q")


class SharedMemory:
    """One connection's memory for the tensors of one batch and of its answer.

    The front owns two of them a connection, one for each direction. They grow by being replaced in place
    (``ftruncate`` and a new mapping); each side maps again when the other says that it needs more.

    Args:
        fd: The anonymous file.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map: mmap.mmap | None = None

    def view(self, nbytes: int) -> memoryview:
        """Return the memory with room for at least ``nbytes``, mapping or growing it if need be."""
        if self._map is None or len(self._map) < nbytes:
            size = os.fstat(self.fd).st_size
            if size < nbytes:
                size = -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
                os.ftruncate(self.fd, size)
            # the old mapping is freed when the last array that looks into it is gone
            self._map = mmap.mmap(self.fd, size)
        return memoryview(self._map)

    def close(self) -> None:
        """Give the file back; mapped memory goes with the last array that looks into it."""
        self._map = None
        os.close(self.fd)


def send_pair(connection: socket.socket, name: str, number: int) -> tuple[SharedMemory, SharedMemory]:
    """Make the two files of a connection (inputs, outputs) and hand them to the replica.

    Args:
        connection: The connection.
        name: Model and number, for those who look at the memory of processes.
        number: Id of the connection, by which it is named on the status page.

    Raises:
        OSError: The replica went away, or the system gives no memory.
    """
    memories = [SharedMemory(os.memfd_create(f"pumice-{name}-{kind}")) for kind in ("inputs", "outputs")]
    try:
        socket.send_fds(connection, [_ID.pack(number)], [memory.fd for memory in memories])
    except OSError:
        for memory in memories:
            memory.close()
        raise
    return memories[0], memories[1]


def receive_pair(connection: socket.socket) -> tuple[int, SharedMemory, SharedMemory]:
    """Take what a front sends as the first thing on its connection: the connection's id, inputs, outputs.

    Raises:
        ConnectionError: The front went away before.
    """
    message, fds = _receive_fds(connection, _ID.size, 2)
    if len(message) != _ID.size or len(fds) != 2:
        _close(fds)
        raise ConnectionError("the front closed the connection before it handed over its memory")
    return _ID.unpack(message)[0], SharedMemory(fds[0]), SharedMemory(fds[1])


def send_page(connection: socket.socket, page: StatusPage) -> None:
    """Hand the replica's status page to a front, as the first thing that goes to it.

    Raises:
        OSError: The front went away.
    """
    socket.send_fds(connection, [b"p"], [page.fd])


def receive_page(connection: socket.socket) -> StatusView:
    """Take the status page of a replica; the connection must have something to read.

    Raises:
        OSError: The replica went away before.
    """
    _, fds = _receive_fds(connection, 1, 1)
    try:
        if not fds:
            raise ConnectionError("the replica closed the connection before it handed over its status page")
        return StatusView(fds[0])
    finally:
        _close(fds)


_FILES_AT_ONCE = 200
"""Descriptors in one message; Linux takes 253."""


def send_files(connection: socket.socket, fds: Sequence[int]) -> None:
    """Hand the files of a model to a replica.

    Raises:
        OSError: The replica went away.
    """
    for first in range(0, len(fds), _FILES_AT_ONCE):
        socket.send_fds(connection, [b"f"], fds[first : first + _FILES_AT_ONCE])


def receive_files(connection: socket.socket, count: int) -> list[int]:
    """Take the files of a model.

    Raises:
        ConnectionError: The front went away before, or this process may not have so many files.
    """
    fds: list[int] = []
    while len(fds) < count:
        expected = min(count - len(fds), _FILES_AT_ONCE)
        _, more = _receive_fds(connection, 1, expected)
        fds += more
        if len(more) != expected:
            _close(fds)
            raise ConnectionError(f"{expected} files of the model were to come, {len(more)} came; raise `ulimit -n`")
    return fds


def _receive_fds(connection: socket.socket, nbytes: int, count: int) -> tuple[bytes, list[int]]:
    message, fds, _, _ = socket.recv_fds(connection, nbytes, count)
    return message, fds


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def keep_from_disk() -> None:
    """Let a crash of this process, and of those that it starts, leave no dump of its memory.

    The limit is 1 byte where that may be set, and not 0: then Linux does not start a program that takes dumps either
    (``fs/coredump.c``).
    """
    limit = 0 if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
