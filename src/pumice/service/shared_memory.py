"""System shared memory: regions below ``/dev/shm`` that callers on this machine read and write beside the server.

The memory is the callers': they may write, cut or remove it at any moment. So nothing of it is mapped, where a file
that is cut would kill this process; it is copied by ``pread`` and ``pwrite``, once each way, and its size is looked at
anew each time. A few bytes of a message can name much memory, so what a request reads is bounded as a body is, and
what all requests hold of it together too.
"""

from __future__ import annotations

import os
import stat
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pumice.domain.access import EVERY, Principal, Verb
from pumice.domain.errors import MalformedInput, Overloaded, RegionNotFound, TooLarge
from pumice.protocol.oip.shared import Place

FOLDER = "/dev/shm"  # noqa: S108 - where POSIX shared memory is
MAX_REGIONS = 256
"""Each is an open file, and a process often may have no more than 1024 of them, its connections among them."""

_MAX_NAME = 255
_AT_ONCE = 1 << 30  # a call of Linux moves at most 2 GiB


@dataclass(frozen=True, slots=True)
class RegionWish:
    """A region that is to be registered.

    Attributes:
        name: What requests call it.
        key: Name of the memory below ``/dev/shm``, with or without the leading slash of ``shm_open``.
        offset: Where the region begins in the memory (bytes).
        size: How long it is (bytes).
        owner: Who registers it, if it has proven who it is: nobody else may use the region. Empty: everybody may.
    """

    name: str
    key: str
    offset: int
    size: int
    owner: str = ""


class Region:
    """A region that is registered.

    Args:
        wish: What it was registered as.
        fd: The memory, open.
    """

    def __init__(self, wish: RegionWish, fd: int) -> None:
        self.wish = wish
        self.open = True
        self._fd = fd
        self._closing = weakref.finalize(self, os.close, fd)

    def close(self) -> None:
        """Let go of the memory."""
        self.open = False
        self._closing()

    def check(self, place: Place) -> int:
        """Return where a place begins in the memory.

        Raises:
            MalformedInput: It lies outside of the region, or the memory has been cut.
        """
        wish = self.wish
        if not self.open:
            raise MalformedInput(place.what, f"region '{wish.name}' was unregistered while the request ran")
        if place.offset + place.size > wish.size:
            given = f"bytes {place.offset} to {place.offset + place.size} of region '{wish.name}'"
            raise MalformedInput(place.what, f"{given}, which has {wish.size}")
        start = wish.offset + place.offset
        there = os.fstat(self._fd).st_size
        if start + place.size > there:
            raise MalformedInput(place.what, f"memory '{wish.key}' has {there} bytes now; {start + place.size} needed")
        return start

    def read(self, place: Place) -> bytes:
        """Copy what lies at a place.

        Raises:
            MalformedInput: It is not there.
        """
        start, parts, left = self.check(place), list[bytes](), place.size
        while left and (part := os.pread(self._fd, min(left, _AT_ONCE), start + place.size - left)):
            parts.append(part)
            left -= len(part)
        if left:
            raise MalformedInput(place.what, f"memory '{self.wish.key}' was cut while it was read")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, place: Place, data: bytes) -> None:
        """Put bytes at the beginning of a place.

        Raises:
            MalformedInput: They have no room there.
        """
        if len(data) > place.size:
            raise MalformedInput(place.what, f"has {len(data)} bytes; '{place.region}' has room for {place.size}")
        start = self.check(place)
        view, done = memoryview(data), 0
        try:
            while done < len(data):
                done += os.pwrite(self._fd, view[done : done + _AT_ONCE], start + done)
        except OSError as error:  # /dev/shm is full
            raise MalformedInput(place.what, f"memory '{self.wish.key}' cannot be written: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class Slot:
    """Takes an output of a request.

    Attributes:
        region: The region that was meant when the request came.
        place: Where in it.
    """

    region: Region
    place: Place

    def write(self, data: bytes) -> None:
        """Put the output there.

        Raises:
            MalformedInput: It has no room, or the region is not there any more.
        """
        self.region.write(self.place, data)


class Regions:
    """The regions of a server.

    Args:
        per_request: Most that one request may read of them (bytes).
        together: Most that requests may hold of them together (bytes).

    Attributes:
        per_request: As given.
        together: As given.
        used: What requests hold now (bytes), those aside that are counted elsewhere.
    """

    def __init__(self, per_request: int, together: int) -> None:
        self.per_request = per_request
        self.together = together
        self.used = 0
        self._regions: dict[str, Region] = {}

    def register(self, wish: RegionWish) -> None:
        """Let requests name a region.

        Raises:
            MalformedInput: The name is taken, or the memory is not there, not allowed, or shorter.
        """
        what = f"region '{wish.name[:80]}'"
        if not 0 < len(wish.name) <= _MAX_NAME:
            raise MalformedInput("the region's name", f"expected 1 to {_MAX_NAME} characters")
        if wish.name in self._regions:
            raise MalformedInput(what, "registered already; unregister it first")
        if len(self._regions) >= MAX_REGIONS:
            raise MalformedInput(what, f"{MAX_REGIONS} are registered already; unregister some")
        if wish.size < 1 or wish.offset < 0:
            raise MalformedInput(what, "expected 'byte_size' of at least 1 and 'offset' of at least 0")
        fd = _open(wish)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise MalformedInput(f"memory '{wish.key}'", "no shared memory")
            if wish.offset + wish.size > found.st_size:
                need = f"{wish.offset + wish.size} needed for {what}"
                raise MalformedInput(f"memory '{wish.key}'", f"has {found.st_size} bytes; {need}")
        except BaseException:
            os.close(fd)
            raise
        self._regions[wish.name] = Region(wish, fd)

    def unregister(self, name: str, asker: Principal) -> None:
        """Forget a region, or all of a caller's. A request that was to write to it fails.

        Args:
            name: The region; empty: all that the caller may use. Nothing is said if there is none.
            asker: Who asks. Whoever may manage may name those of others.
        """
        for wish in self.listed(asker):
            if name == wish.name or (not name and wish.owner in ("", asker.caller)):
                self._regions.pop(wish.name).close()

    def listed(self, asker: Principal, name: str = "") -> list[RegionWish]:
        """The regions that a caller may use, or see because it manages.

        Args:
            asker: Who asks.
            name: Only this region; empty: all.

        Raises:
            RegionNotFound: It sees none of this name.
        """
        manages = asker.allows(Verb.MANAGE, EVERY)
        wishes = [region.wish for region in self._regions.values()]
        seen = [wish for wish in wishes if (manages or wish.owner in ("", asker.caller)) and name in ("", wish.name)]
        if name and not seen:
            raise RegionNotFound(name)
        return seen

    def of(self, owner: str, hold: Callable[[int], None] | None = None) -> CallersRegions:
        """What the caller of one request may use.

        Args:
            owner: The caller, if it has proven who it is.
            hold: Counts what the request reads, told the bytes so far before each reading; may refuse. None: they are
                counted here, until `CallersRegions` is left as a context manager.
        """
        return CallersRegions(self, owner, hold)

    def find(self, name: str, owner: str) -> Region:
        """The region that a caller may use.

        Raises:
            RegionNotFound: It may use none of this name.
        """
        region = self._regions.get(name)
        if region is None or region.wish.owner not in ("", owner):
            raise RegionNotFound(name)
        return region

    def close(self) -> None:
        """Let go of all memory."""
        for region in self._regions.values():
            region.close()
        self._regions.clear()


class CallersRegions:
    """The regions as the caller of one request sees them. For one request only: it counts what that reads.

    Args:
        regions: All of them.
        owner: The caller.
        hold: As for `Regions.of`.
    """

    __slots__ = ("_counted", "_hold", "_owner", "_read", "_regions")

    def __init__(self, regions: Regions, owner: str, hold: Callable[[int], None] | None = None) -> None:
        self._regions = regions
        self._owner = owner
        self._hold = hold or self._count
        self._read = 0
        self._counted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._regions.used -= self._counted
        self._counted = 0

    def read(self, place: Place) -> bytes:
        """Copy a tensor.

        Raises:
            RegionNotFound: The caller may use no such region.
            MalformedInput: It does not lie there.
            TooLarge: The request has read too much with it.
            Overloaded: All requests together hold too much.
        """
        region = self._regions.find(place.region, self._owner)
        region.check(place)
        self._read += place.size
        if self._read > self._regions.per_request:
            raise TooLarge("what the request names in shared memory", self._read, self._regions.per_request)
        self._hold(self._read)
        return region.read(place)

    def target(self, place: Place) -> Slot:
        """Check where an output is to go.

        Raises:
            RegionNotFound: The caller may use no such region.
            MalformedInput: The place lies outside of it.
        """
        region = self._regions.find(place.region, self._owner)
        region.check(place)
        return Slot(region, place)

    def _count(self, size: int) -> None:
        regions, more = self._regions, size - self._counted
        if regions.used + more > regions.together:
            raise Overloaded(f"requests hold {regions.used} of {regions.together} bytes from shared memory")
        regions.used += more
        self._counted += more


def _open(wish: RegionWish) -> int:
    name = wish.key.removeprefix("/")
    odd = not name or name in {".", ".."} or len(name) > _MAX_NAME or "/" in name or "\0" in name
    if odd or name.startswith("sem."):  # glibc keeps named semaphores there; nobody's tensors lie in them
        raise MalformedInput("'key'", f"'{wish.key[:80]}'; expected the name of memory directly below {FOLDER}")
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        return os.open(f"{FOLDER}/{name}", flags)
    except (OSError, UnicodeEncodeError) as error:
        raise MalformedInput(f"memory '{wish.key}'", f"cannot be opened: {getattr(error, 'strerror', error)}") from None
