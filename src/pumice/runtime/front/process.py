"""A replica's process as its parent sees it."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pumice.domain.errors import ModelFailed
from pumice.domain.model import Profile
from pumice.protocol.frames import ErrorRecord, Loaded, WorkerSpec, error_of
from pumice.runtime.front.spawn import start_worker, take_spare
from pumice.runtime.memory import send_files

_LENGTH = struct.Struct("<I")
_MAX_MESSAGE = 64 * 1024 * 1024


class WorkerProcess:
    """A started replica. Making one starts it, without an event loop, so that it loads while the front still imports.

    Args:
        spec: What it is to load; the path of its socket is set here.
        environ: Its whole environment.
        files: Descriptors of the files that the specification names.
    """

    def __init__(self, spec: WorkerSpec, environ: dict[str, str], files: Sequence[int] = ()) -> None:
        started = take_spare(confined=spec.confined) or start_worker(environ, confined=spec.confined)
        self._process, self._lifeline, self._scratch = started.process, started.lifeline, started.scratch
        self.spec = msgspec.structs.replace(spec, socket=f"{started.scratch}/socket")
        data = msgspec.msgpack.encode(self.spec)
        self._lifeline.sendall(_LENGTH.pack(len(data)) + data)
        send_files(self._lifeline, files)
        self._lifeline.setblocking(False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def loaded(self) -> Profile:
        """Wait until the replica listens.

        Raises:
            PumiceError: What it told of why it cannot load, or that it died without a word.
        """
        data = await self._receive()
        if data is None:
            code = await self.exited()
            raise ModelFailed(self.spec.name, f"its replica ended while loading ({describe_exit(code)})")
        message = msgspec.msgpack.decode(data, type=Loaded | ErrorRecord)
        if isinstance(message, ErrorRecord):
            raise error_of(message, self.spec.name)
        return message.profile

    async def gone(self) -> None:
        """Wait until the process has ended."""
        # not until the lifeline closes: a child that the model has forked may hold it open
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        except OSError:  # a system that does not have it
            await self._exactly(1)
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(fd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)

    async def exited(self) -> int:
        """Kill the replica if it still runs, wait for its end and return its exit code (< 0: by a signal)."""
        self.kill()
        loop = asyncio.get_running_loop()
        # a killed process is gone within a moment; a thread waits for it so that the loop does not
        code = await loop.run_in_executor(None, self._process.wait)
        self.close()
        return code

    def kill(self) -> None:
        """End the process at once."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """Close the lifeline and remove what it wrote; the replica ends if it still runs."""
        self._lifeline.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    async def _receive(self) -> bytes | None:
        head = await self._exactly(_LENGTH.size)
        if head is None:
            return None
        length = _LENGTH.unpack(head)[0]
        return await self._exactly(length) if length <= _MAX_MESSAGE else None

    async def _exactly(self, count: int) -> bytes | None:
        loop = asyncio.get_running_loop()
        data = b""
        while len(data) < count:
            try:
                more = await loop.sock_recv(self._lifeline, count - len(data))
            except ConnectionError:
                return None
            if not more:
                return None
            data += more
        return data


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal and not set going again; False where the system does not tell."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return told.rpartition(")")[2].split()[:1] == ["T"]


def describe_exit(code: int) -> str:
    """Say how a process ended."""
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
