"""Commands that start at once: each is forked from a process that has imported them all, and runs as its own.

    python -m tests.support.ready SOCKET

Most of what a command line costs is to import its libraries. What is forked has its own memory, environment, folder,
streams and exit code, as what is started; how the program itself starts is for the tests that start it.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

_LONGEST = 1 << 20
"""Most bytes of a command line with its environment."""

_ALSO = ("httpx", "numpy", "sqlalchemy", "pumice.app", "pumice.client", "pumice.cli.face", "pumice.cli.errors")
"""What commands import when they run."""


class Ready:
    """The process that commands are forked from; lives as long as this one."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
        words = [sys.executable, "-m", "tests.support.ready", str(theirs.fileno())]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(words, cwd=root, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        atexit.register(self._end)

    def _end(self) -> None:
        self._ours.close()  # it ends with its socket
        self._process.wait(30)

    def run(
        self, words: Sequence[str], *, environ: Mapping[str, str], cwd: Path, stdin: bytes, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """Run ``pumice`` with these words to its end; its exit code, and what it wrote.

        Raises:
            AssertionError: It did not end in time, or died without an exit code.
        """
        asked = json.dumps({"words": list(words), "environ": dict(environ), "cwd": str(cwd)}).encode()
        over, told = socket.socketpair()
        with over, contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            files[0].write(stdin)
            files[0].seek(0)
            with told:
                socket.send_fds(self._ours, [asked], [*(file.fileno() for file in files), told.fileno()])
            over.settimeout(timeout)
            try:
                code = over.recv(8)
            except TimeoutError:
                code = b""
            written = []
            for file in files[1:]:
                file.seek(0)
                written.append(file.read())
            assert code, f"pumice {' '.join(words)} did not end within {timeout:g} s, or died: {written}"
            return int(code), written[0], written[1]


@cache
def ready() -> Ready:
    """The one of this process."""
    return Ready()


def _serve(asked: socket.socket) -> None:
    """Fork for every command line that comes."""
    from pumice.cli.main import COMMANDS

    for module in (*_ALSO, *(target.function.partition(":")[0] for target in COMMANDS.values())):
        importlib.import_module(module)
    while True:
        message, fds, _, _ = socket.recv_fds(asked, _LONGEST, 4)
        if not message:
            return
        if os.fork() == 0:
            asked.close()
            _become(json.loads(message), array.array("i", fds))
        for fd in fds:
            os.close(fd)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):  # each tells its exit code itself
                pass


def _become(wish: dict[str, object], fds: Sequence[int]) -> None:
    """Be the process of this command line, to its end."""
    *streams, told = fds
    for to, fd in enumerate(streams):
        os.dup2(fd, to)
        os.close(fd)
    os.set_inheritable(told, False)
    os.environ.clear()
    os.environ.update(wish["environ"])  # type: ignore[call-overload]
    os.chdir(str(wish["cwd"]))
    sys.argv = ["pumice", *wish["words"]]  # type: ignore[misc]
    sys.path[0] = str(wish["cwd"])  # as ``python -m`` has it
    code = _run()
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter does at its end, in its order
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.write(told, str(code).encode())
    os._exit(code)


def _run() -> int:
    from pumice.cli.main import main

    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter shows it
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
