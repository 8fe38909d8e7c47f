"""A filter on system calls: no socket but a Unix one, no connection to anybody, no way round by io_uring.

The filter is a little BPF program (linux/filter.h, linux/seccomp.h). It binds every thread of the process, those
that a library has started already too. A refused call fails with EACCES, which libraries report like any refusal.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from dataclasses import dataclass

_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
_GET_ACTION_AVAIL = 2
_ALL_THREADS = 1
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EACCES
_LOAD, _JUMP_EQUAL, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_AF_UNIX = 1
_FOREIGN_NUMBERS = 0x40000000
"""From here on, x86-64 takes system calls of its 32-bit sibling (x32)."""


@dataclass(frozen=True)
class _Numbers:
    """What system calls are called on an architecture."""

    audit: int
    seccomp: int
    socket: int
    connect: int
    io_uring_setup: int = 425


_KNOWN = {
    "x86_64": _Numbers(audit=0xC000003E, seccomp=317, socket=41, connect=42),
    "aarch64": _Numbers(audit=0xC00000B7, seccomp=277, socket=198, connect=203),
}


def available() -> bool:
    """Whether the kernel takes such a filter here."""
    numbers = _numbers()
    if numbers is None:
        return False
    action = ctypes.c_uint32(_REFUSE & 0xFFFF0000)
    return int(_libc().syscall(numbers.seccomp, _GET_ACTION_AVAIL, 0, ctypes.byref(action))) == 0


def forbid_network() -> None:
    """Let no thread of this process open a network socket or connect to anything, from now on.

    Raises:
        OSError: The kernel refuses, or the architecture is not known here.
    """
    numbers = _numbers()
    if numbers is None:
        raise OSError(errno.ENOSYS, f"no filter for {platform.machine()}")
    install(_program(numbers))


def install(code: bytes) -> None:
    """Let every thread of this process go through a filter, from now on.

    Args:
        code: Instructions of BPF, eight bytes each.

    Raises:
        OSError: The kernel refuses.
    """
    numbers = _numbers()
    if numbers is None:
        raise OSError(errno.ENOSYS, f"no filter for {platform.machine()}")
    program = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a 16-bit count, padded to a pointer
    head = struct.pack("@HP", len(code) // 8, ctypes.addressof(program))
    libc = _libc()
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(numbers.seccomp, _SET_MODE_FILTER, _ALL_THREADS, head):
        number = ctypes.get_errno() or errno.EINVAL
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def _program(numbers: _Numbers) -> bytes:
    """Assemble the filter; a jump's two counts say how many instructions to skip if it holds and if not."""
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 0, 8, numbers.audit),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_FROM, 6, 0, _FOREIGN_NUMBERS),
        (_JUMP_EQUAL, 5, 0, numbers.connect),
        (_JUMP_EQUAL, 4, 0, numbers.io_uring_setup),
        (_JUMP_EQUAL, 0, 2, numbers.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_JUMP_EQUAL, 0, 1, _AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def _numbers() -> _Numbers | None:
    return _KNOWN.get(platform.machine()) if sys.platform == "linux" else None


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
