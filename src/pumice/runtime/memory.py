"""Shared memory between a front process and a replica: anonymous files, handed over with the connection.

The one module that both sides of the runtime share.
"""

from __future__ import annotations

import mmap
import os
import socket


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


def send_pair(connection: socket.socket, name: str) -> tuple[SharedMemory, SharedMemory]:
    """Make the two files of a connection (inputs, outputs) and hand them to the replica.

    Raises:
        OSError: The replica went away, or the system gives no memory.
    """
    memories = [SharedMemory(os.memfd_create(f"pumice-{name}-{kind}")) for kind in ("inputs", "outputs")]
    try:
        socket.send_fds(connection, [b"m"], [memory.fd for memory in memories])
    except OSError:
        for memory in memories:
            memory.close()
        raise
    return memories[0], memories[1]


def receive_pair(connection: socket.socket) -> tuple[SharedMemory, SharedMemory]:
    """Take the two files that a front sends as the first thing on its connection: inputs, outputs.

    Raises:
        ConnectionError: The front went away before.
    """
    message, fds, _, _ = socket.recv_fds(connection, 1, 2)
    if not message or len(fds) != 2:
        for fd in fds:
            os.close(fd)
        raise ConnectionError("the front closed the connection before it handed over its memory")
    return SharedMemory(fds[0]), SharedMemory(fds[1])
