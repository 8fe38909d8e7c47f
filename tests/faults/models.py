"""A model that goes wrong in the way that a request names."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np

from tests.support.models import Arrays, Doubler, Gated

Deed = Callable[[np.ndarray], object]


def _hang_with_the_lock(_: np.ndarray) -> None:
    ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the interpreter's lock: no other thread runs


def _overflow_the_stack(_: np.ndarray) -> None:
    sys.setrecursionlimit(1 << 30)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def down(value: object) -> str:
        return f"{value!r}" if value is None else str(sorted([1], key=lambda _: down(value)))

    down(1)


def _recurse(_: np.ndarray) -> None:
    def down() -> None:
        down()

    down()


def _sockets() -> list[int]:
    links = [(int(fd.name), str(fd.readlink())) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    return [fd for fd, link in links if link.startswith("socket:")]


def _write_garbage(_: np.ndarray) -> None:
    for fd in _sockets():
        if not socket.socket(fileno=os.dup(fd)).getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            os.write(fd, b"\xff" * 64)


def _close_everything(_: np.ndarray) -> None:
    os.closerange(3, 256)


def _ignore_signals(_: np.ndarray) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _spawn_threads(_: np.ndarray) -> None:
    for _number in range(50):
        threading.Thread(target=threading.Event().wait, daemon=True).start()


def _leave_a_child(_: np.ndarray) -> None:
    # it inherits every descriptor and outlives its parent
    subprocess.Popen(["sleep", "3600"], close_fds=False, start_new_session=True)


def _print_much(_: np.ndarray) -> None:
    print("noise " * 200_000, flush=True)  # noqa: T201 - that is the fault


DEEDS: Mapping[str, Deed] = {
    "raise": lambda _: np.linalg.inv(np.zeros((2, 2))),
    "exit": lambda _: sys.exit(3),
    "interrupt": lambda _: (_ for _ in ()).throw(KeyboardInterrupt()),
    "die": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "leave": lambda _: os._exit(0),
    "segfault": lambda _: ctypes.string_at(0),
    "abort": lambda _: os.abort(),
    "hang": lambda _: threading.Event().wait(),
    "hang-with-the-lock": _hang_with_the_lock,
    "stop": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
    "overflow": _overflow_the_stack,
    "recurse": _recurse,
    "garbage": _write_garbage,
    "close": _close_everything,
    "ignore-signals": _ignore_signals,
    "threads": _spawn_threads,
    "child": _leave_a_child,
    "print": _print_much,
    "allocate": lambda _: np.ones(1 << 40, np.uint8),
    "shape": lambda x: {"y": np.zeros((len(x), 5), np.float32)},
    "rows": lambda x: {"y": np.zeros((len(x) + 1, 4), np.float32)},
    "datatype": lambda x: {"y": np.zeros((len(x), 4), np.int64)},
    "nothing": lambda _: {},
    "more": lambda x: {"y": x, "z": x},
    "list": lambda x: [x],
    "nan": lambda x: {"y": np.where(x == 7, np.nan, x * 2).astype(np.float32)},
    "infinity": lambda x: {"y": np.where(x == 7, np.inf, x * 2).astype(np.float32)},
}


class Faulty(Gated):
    """Doubles; with a row that is all 7, a batch goes wrong as its parameter ``do`` says. Held as `Gated` is."""

    def predict(self, inputs: Arrays, parameters: Mapping[str, object]) -> dict[str, np.ndarray]:
        x = inputs["x"]
        super().predict(inputs, parameters)
        if (x == 7).all(axis=1).any() and "do" in parameters:
            done = DEEDS[str(parameters["do"])](x)
            if isinstance(done, dict | list):
                return cast("dict[str, np.ndarray]", done)
        return {"y": x * 2}


class FromFile(Doubler):
    """Loads as its artefact says: ``fine``, ``raise``, ``hang``, ``die``, or held until a file is there."""

    def load(self, path: Path | None) -> None:
        assert path is not None
        how, _, what = (path / "how").read_text(encoding="utf-8").partition(" ")
        if how == "raise":
            raise RuntimeError(what)
        if how == "hang":
            threading.Event().wait()
        if how == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        while how == "until" and not Path(what).exists():
            threading.Event().wait(0.005)
