"""System shared memory: regions below ``/dev/shm`` that callers on this machine read and write beside the server.

The memory is the callers': they may write, cut or remove it at any moment. So nothing of it is mapped, where a file
that is cut would kill this process; it is copied by ``pread`` and ``pwrite``, once each way, and its size is looked at
anew each time.
"""

from __future__ import annotations

import os
import stat
import weakref
from dataclasses import dataclass

from pumice.domain.errors import MalformedInput, RegionNotFound
from pumice.protocol.oip.shared import Place

FOLDER = "/dev/shm"  # noqa: S108 - where POSIX shared memory is
MAX_REGIONS = 1024
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
        owner: Who registers it, if it has proven that: only it may use the region. Empty: everybody.
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
        start = self.check(place)
        data = os.pread(self._fd, min(place.size, _AT_ONCE), start)
        while data and len(data) < place.size:
            more = os.pread(self._fd, min(place.size - len(data), _AT_ONCE), start + len(data))
            if not more:
                break
            data += more
        if len(data) != place.size:
            raise MalformedInput(place.what, f"memory '{self.wish.key}' was cut while it was read")
        return data

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
    """The regions of a server."""

    def __init__(self) -> None:
        self._regions: dict[str, Region] = {}

    def register(self, wish: RegionWish) -> None:
        """Let requests name a region.

        Raises:
            MalformedInput: The name is taken, or the memory is not there, not allowed, or shorter.
        """
        if not 0 < len(wish.name) <= _MAX_NAME:
            raise MalformedInput("the region's name", f"expected 1 to {_MAX_NAME} characters")
        if wish.name in self._regions:
            raise MalformedInput(f"region '{wish.name}'", "registered already; unregister it first")
        if len(self._regions) >= MAX_REGIONS:
            raise MalformedInput(f"region '{wish.name}'", f"{MAX_REGIONS} are registered already; unregister some")
        if wish.size < 1 or wish.offset < 0:
            raise MalformedInput(
                f"region '{wish.name}'", "expected 'byte_size' of at least 1 and 'offset' of at least 0"
            )
        fd = _open(wish)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise MalformedInput(f"memory '{wish.key}'", "no shared memory")
            if wish.offset + wish.size > found.st_size:
                need = f"{wish.offset + wish.size} needed for region '{wish.name}'"
                raise MalformedInput(f"memory '{wish.key}'", f"has {found.st_size} bytes; {need}")
        except BaseException:
            os.close(fd)
            raise
        self._regions[wish.name] = Region(wish, fd)

    def unregister(self, name: str = "", owner: str = "") -> None:
        """Forget a region, or all of a caller's. A request that was to write to it fails.

        Args:
            name: The region; empty: all.
            owner: Who asks, if it has proven that.
        """
        for region in self.listed(owner):
            if name in ("", region.name):
                self._regions.pop(region.name).close()

    def listed(self, owner: str = "") -> list[RegionWish]:
        """The regions that a caller may use."""
        return [region.wish for region in self._regions.values() if region.wish.owner in ("", owner)]

    def of(self, owner: str) -> CallersRegions:
        """What a caller may use.

        Args:
            owner: The caller, if it has proven who it is.
        """
        return CallersRegions(self, owner)

    def find(self, name: str, owner: str) -> Region:
        """One region.

        Raises:
            RegionNotFound: The caller has none of this name.
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


@dataclass(frozen=True, slots=True)
class CallersRegions:
    """The regions as one caller sees them.

    Attributes:
        regions: All of them.
        owner: The caller.
    """

    regions: Regions
    owner: str

    def read(self, place: Place) -> bytes:
        """Copy a tensor.

        Raises:
            RegionNotFound: There is no such region.
            MalformedInput: It does not lie there.
        """
        return self.regions.find(place.region, self.owner).read(place)

    def target(self, place: Place) -> Slot:
        """Check where an output is to go.

        Raises:
            RegionNotFound: There is no such region.
            MalformedInput: The place lies outside of it.
        """
        region = self.regions.find(place.region, self.owner)
        region.check(place)
        return Slot(region, place)


def _open(wish: RegionWish) -> int:
    name = wish.key.removeprefix("/")
    if not name or name in {".", ".."} or len(name) > _MAX_NAME or "/" in name or "\0" in name:
        raise MalformedInput("'key'", f"'{wish.key[:80]}'; expected the name of memory directly below {FOLDER}")
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        return os.open(f"{FOLDER}/{name}", flags)
    except (OSError, UnicodeEncodeError) as error:
        raise MalformedInput(f"memory '{wish.key}'", f"cannot be opened: {getattr(error, 'strerror', error)}") from None
