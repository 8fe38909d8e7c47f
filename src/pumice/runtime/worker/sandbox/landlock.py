"""Landlock: a process gives up rights to files, for itself and all that it starts.

Source: Documentation/userspace-api/landlock.rst of the Linux kernel. The C library has no wrappers, so the three
system calls are made by number; the numbers are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable
from enum import IntFlag

_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38


class Access(IntFlag):
    """Rights to files, by the kernel's numbers."""

    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14


_SINCE = {Access.REFER: 2, Access.TRUNCATE: 3}
_OF_FILES = Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE

WRITE = (
    Access.WRITE_FILE | Access.REMOVE_DIR | Access.REMOVE_FILE | Access.MAKE_CHAR | Access.MAKE_DIR | Access.MAKE_REG
    | Access.MAKE_SOCK | Access.MAKE_FIFO | Access.MAKE_BLOCK | Access.MAKE_SYM | Access.REFER | Access.TRUNCATE
)  # fmt: skip
"""Everything that changes a file system."""

_SCOPE_SINCE = 6
_SCOPE = 0b11
"""No abstract Unix socket of, and no signal to, a process outside."""


def version() -> int:
    """Version of Landlock that the kernel speaks; 0: none."""
    if sys.platform != "linux":
        return 0
    found = _libc().syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    return max(0, int(found))


def restrict(handled: Access, rules: Iterable[tuple[str, Access]]) -> None:
    """Give up rights, for this thread and all that it starts from now on.

    Args:
        handled: The rights that are given up.
        rules: Paths below which some of them are kept; a path that is not there is passed over.

    Raises:
        OSError: The kernel refuses.
    """
    known = version()
    handled &= ~sum((right for right, since in _SINCE.items() if known < since), Access(0))
    libc = _libc()
    attributes = struct.pack("<QQQ", handled, 0, _SCOPE if known >= _SCOPE_SINCE else 0)
    size = 24 if known >= _SCOPE_SINCE else 8
    ruleset = _checked(libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), 0))
    try:
        for path, kept in rules:
            _allow(libc, ruleset, path, kept & handled)
        _checked(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, kept: Access) -> None:
    try:
        # a link is not followed: what it leads to is judged by where it lies
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{fd}"):  # noqa: PTH112 - pathlib is not imported before the first step
            kept &= _OF_FILES
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("<Qi", kept, fd), 0))
    finally:
        os.close(fd)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno() or errno.EINVAL
        raise OSError(number, f"landlock: {os.strerror(number)}")
    return result
