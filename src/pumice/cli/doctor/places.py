"""Where Pumice keeps things and listens: the home and the ports."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

import msgspec


class Home(msgspec.Struct, frozen=True):
    """The folder of everything that lasts.

    Attributes:
        path: Where it is, or will be made when it is first needed.
        exists: Whether it is there.
        writable: Whether it can be written, or made.
        mode: Its permissions, for example ``drwx------``; empty if it is not there.
        private: Nobody else may look into it, or it is not there.
        free_bytes: Room on its disk (bytes).
    """

    path: str
    exists: bool
    writable: bool
    mode: str
    private: bool
    free_bytes: int


class Port(msgspec.Struct, frozen=True):
    """A port that the server would listen on.

    Attributes:
        use: What for.
        host: The address.
        number: The port.
        free: Whether it can be had now.
    """

    use: str
    host: str
    number: int
    free: bool


def look_at_home(path: Path) -> Home:
    """Find out whether the home can be used, without touching it."""
    exists = path.exists()
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    mode = path.stat().st_mode if exists else 0
    return Home(
        path=str(path),
        exists=exists,
        writable=writable,
        mode=stat.filemode(mode) if exists else "",
        private=not mode & (stat.S_IRWXG | stat.S_IRWXO),
        free_bytes=shutil.disk_usage(nearest).free,
    )


def look_at_port(use: str, host: str, number: int) -> Port:
    """Find out whether a port can be had, by listening on it for a moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, number), family=family).close()
    except OSError:
        return Port(use, host, number, free=False)
    return Port(use, host, number, free=True)
