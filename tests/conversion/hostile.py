"""What a hostile file tries; each try is a function that the confined process calls, or code that a pickle runs."""

from __future__ import annotations

import builtins
import ctypes
import mmap
import os
import pickle
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Run:
    """A pickle that runs a line of Python when it is read, and becomes what the line gives."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return builtins.eval, (self._line,)


def line_of(tries: dict[str, list[object]]) -> str:
    """A line that makes every try and gives name -> what came of it."""
    imported = f"__import__('sys').path.insert(0, {str(Path(__file__).parents[2])!r})"
    return f"({imported}, __import__('tests.conversion.hostile', fromlist=['x']).every({tries!r}))[1]"


def load(source: str, out: str) -> Any:
    """Read a pickle as the careless do."""
    return pickle.loads(Path(source).read_bytes())  # noqa: S301 - the attack itself


def every(tries: dict[str, list[object]]) -> dict[str, str]:
    """Make all tries."""
    return {name: outcome(name, *arguments) for name, arguments in tries.items()}


def outcome(name: str, *arguments: object) -> str:
    """What came of one try: the name of its error, or ``done``."""
    try:
        TRIES[name](*arguments)
    except BaseException as error:  # noqa: BLE001 - the name is what is wanted
        return type(error).__name__
    return "done"


def read(path: str) -> None:
    """Read a file."""
    Path(path).read_bytes()


def write(path: str) -> None:
    """Write a file."""
    Path(path).write_text("hostile")


def connect(port: int) -> None:
    """Call somebody on this machine."""
    socket.create_connection(("127.0.0.1", port), timeout=1).close()


def unix(path: str) -> None:
    """Call somebody by a Unix socket."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)


def thread() -> None:
    """Start a thread, which is allowed."""
    started = threading.Thread(target=int)
    started.start()
    started.join()


def raw(number: int, *arguments: int) -> None:
    """Make a system call by its number."""
    if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def unlimit() -> None:
    """Take back the limit of memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def allocate(count: int) -> None:
    """Take memory."""
    bytearray(count)


def share(count: int) -> None:
    """Take memory that limits do not count."""
    mmap.mmap(-1, count)


def fork() -> None:
    """Become two."""
    if not os.fork():
        os._exit(0)


def owned(pid: int) -> None:
    """Have signals of a descriptor sent to somebody else."""
    import fcntl

    with Path(os.devnull).open("rb") as file:
        fcntl.fcntl(file, fcntl.F_SETOWN, pid)


TRIES: dict[str, Callable[..., object]] = {
    "read": read,
    "list": os.listdir,
    "write": write,
    "remove": os.remove,
    "rename": os.rename,
    "truncate": os.truncate,
    "link": os.link,
    "folder": os.mkdir,
    "chmod": os.chmod,
    "times": os.utime,
    "attribute": lambda path: os.setxattr(path, "user.x", b"x"),
    "connect": connect,
    "listen": lambda: socket.create_server(("127.0.0.1", 0)),
    "unix": unix,
    "fork": fork,
    "start": lambda: subprocess.run(["/bin/true"], check=True),
    "become": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - the attack
    "thread": thread,
    "kill": lambda pid: os.kill(pid, signal.SIGKILL),
    "owned": owned,
    "trace": lambda pid: raw(101, 16, pid, 0, 0),
    "key": lambda: raw(250, 0, -3, 1),
    "shared": lambda: raw(29, 0, 1 << 20, 0o1600),
    "memfd": lambda: os.memfd_create("x"),
    "share": share,
    "allocate": allocate,
    "unlimit": unlimit,
    "terminal": lambda: Path("/dev/tty").read_bytes(),
    "environment": lambda pid: Path(f"/proc/{pid}/environ").read_bytes(),
}


def sleep(source: str, out: str) -> None:
    """Never end."""
    while True:
        time.sleep(1000)


def spin(source: str, out: str) -> None:
    """Never end, and keep the interpreter's lock."""
    sum(iter(int, 1))


def swarm(source: str, out: str) -> None:
    """Start threads without end."""
    threading.stack_size(64 << 10)
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def fill(source: str, out: str) -> None:
    """Write without end."""
    number = 0
    while True:
        number += 1
        folder = (out, os.environ["TMPDIR"])[number % 2]
        (Path(folder) / f"file{number % 7}").open("ab").write(bytes(1 << 20))


def scatter(source: str, out: str) -> None:
    """Make files without end."""
    number = 0
    while True:
        number += 1
        (Path(out) / str(number)).touch()


def crash(source: str, out: str) -> None:
    """End without a word."""
    ctypes.string_at(0)


def babble(source: str, out: str) -> str:
    """Answer more than anybody reads."""
    return "x" * (17 << 20)


def gorge(source: str, out: str) -> None:
    """Take memory without end."""
    taken = []
    while True:
        taken.append(bytearray(16 << 20))
