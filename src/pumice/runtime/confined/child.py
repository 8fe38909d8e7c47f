"""What a confined process does: load the libraries, give up its rights, do its task, tell."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from importlib import import_module
from typing import Any

import msgspec

from pumice.domain.errors import BadArtefact, PumiceError
from pumice.protocol.frames import ErrorRecord, record_error
from pumice.runtime.confined.rights import read_only
from pumice.runtime.worker.sandbox import limit_memory, narrow

_PR_SET_PDEATHSIG = 1
# torch has no error of its own for it
_NO_MEMORY = ("Cannot allocate memory", "can't allocate memory", "not enough memory")


class Task(msgspec.Struct, frozen=True):
    """What is to be done.

    Attributes:
        function: ``module:function`` of Pumice's own.
        source: The file or folder that it works on; absolute.
        arguments: What it is called with besides the source and the folder for its results.
        libraries: Modules that are imported while it may still read everything.
        hidden: Absolute folders that it may not read in any case, but for the source.
        memory: Most memory of its own (bytes).
        written: Most space of what it writes (bytes).
        seconds: Longest time (s).
    """

    function: str
    source: str
    arguments: dict[str, Any]
    libraries: tuple[str, ...]
    hidden: tuple[str, ...]
    memory: int
    written: int
    seconds: float


class Done(msgspec.Struct, frozen=True, tag=True):
    """What came of it; the parent does not believe a word that it cannot check.

    Attributes:
        result: What the function gave back, as JSON knows it.
    """

    result: Any


def main() -> None:
    """Do one task."""
    reply, out, scratch = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        _write(reply, Done(_run(task, out, scratch)))
    except PumiceError as error:
        _write(reply, record_error(error))
    except BaseException as error:  # noqa: BLE001 - what a stranger's file raises, SystemExit too, is told in one line
        _write(reply, record_error(_told(error, task)))
    # threads and exit handlers of a stranger's code are not waited for
    os._exit(0)


def _run(task: Task, out: str, scratch: str) -> Any:
    _import(task.libraries)
    module, _, name = task.function.partition(":")
    function = getattr(import_module(module), name)
    if "free" in sys.argv:
        limit_memory(task.memory)
    else:
        limits = {"memory": task.memory, "written": task.written, "seconds": task.seconds}
        narrow(hidden=task.hidden, shown=(task.source, out, scratch), network=False)
        read_only((task.source,), (out, scratch), **limits)  # type: ignore[arg-type]
    return function(task.source, out, **task.arguments)


def _import(libraries: tuple[str, ...]) -> None:
    for library in libraries:
        import_module(library)


def _told(error: BaseException, task: Task) -> BadArtefact:
    text = str(error).strip()
    if isinstance(error, MemoryError) or any(sign in text for sign in _NO_MEMORY):
        problem = f"reading it takes more than {task.memory >> 20} MiB of memory"
        return BadArtefact(task.source, problem, "allow more memory, if you trust it")
    first = f": {text.splitlines()[0][:300]}" if text else ""
    return BadArtefact(
        task.source, f"it cannot be read ({type(error).__name__}{first})", "convert it where it was made"
    )


def _write(reply: int, message: Done | ErrorRecord) -> None:
    data = msgspec.json.encode(message)
    while data:
        data = data[os.write(reply, data) :]
