"""How a process gives up its rights before it looks at a hostile file. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
import sysconfig
from collections.abc import Iterator, Sequence

from pumice.runtime.confined.filter import forbid_the_rest
from pumice.runtime.worker.sandbox import landlock, limit_memory
from pumice.runtime.worker.sandbox.landlock import WRITE, Access

_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522
_DAC_READ_SEARCH = 1 << 2
_READ = Access.READ_FILE | Access.READ_DIR
# flat files, nothing else: a deep tree could hardly be taken away again
_FLAT = Access.WRITE_FILE | Access.REMOVE_FILE | Access.MAKE_REG | Access.TRUNCATE | _READ
_NULL = Access.WRITE_FILE | Access.TRUNCATE | Access.READ_FILE
_MOST_OPEN = 256
_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system/cpu"),
    *("/dev/urandom", "/dev/random", "/dev/zero", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/version"),
    *("/proc/sys", "/proc/filesystems"),
)


def write_only_in(folders: Sequence[str]) -> None:
    """First step, before any library is imported: no other folder is written to, and no privilege is left.

    A user who is root keeps the right to read files of others, so far as the second step lets it.
    """
    header, none = struct.pack("=II", _CAPABILITIES_V3, 0), struct.pack("=6I", *[_DAC_READ_SEARCH] * 2, *[0] * 4)
    libc = ctypes.CDLL(None, use_errno=True)
    if platform.machine() in _CAPSET and os.geteuid() == 0:
        libc.syscall(_CAPSET[platform.machine()], header, none)
    landlock.restrict(WRITE, [*((folder, _FLAT) for folder in folders), ("/dev/null", _NULL)])


def read_only(shown: Sequence[str], folders: Sequence[str], *, memory: int, written: int, seconds: float) -> None:
    """Second step, when the libraries are loaded: read nothing else, start nothing, talk to nobody, take no more.

    Args:
        shown: Absolute paths that may be read besides the system's and Python's libraries.
        folders: Those that may be written to.
        memory: Most memory of its own (bytes).
        written: Largest file (bytes).
        seconds: Most time of the processor (s).

    Raises:
        OSError: The kernel refuses.
    """
    readable = [os.path.realpath(path) for path in (*_SYSTEM, *_libraries(), f"/proc/{os.getpid()}", *shown)]
    rules = [*((path, _READ) for path in readable), *((folder, _FLAT) for folder in folders), ("/dev/null", _NULL)]
    landlock.restrict(_READ, rules)
    for kind, most in (
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_NOFILE, _MOST_OPEN),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError):  # the hard limit is lower already
            resource.setrlimit(kind, (most, most))
    limit_memory(memory)
    forbid_the_rest()


def _libraries() -> Iterator[str]:
    """Where Python looks for modules; a working directory is not among it (`python -P`)."""
    yield from (path for path in sys.path if path)
    yield from set(sysconfig.get_paths().values())
