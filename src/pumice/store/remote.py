"""Packs that lie in an object store, and how they are read: piece by piece, ahead of who reads on, through a cache.

PREFIX/pumice-store.json          whose store it is
PREFIX/packs/ab/abcd….pack        packs; an object that the database does not know is no part of the store
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock

import msgspec

from pumice.domain.errors import BadSetting, StorageFailed
from pumice.store.cache import PIECE, PieceCache
from pumice.store.objects import Objects

_FETCHERS = 4
_AHEAD = 3
"""Pieces that are fetched before they are asked for, once a pack is read on."""

_HELD = 8
"""Pieces of which a reader keeps a handle."""

_BEAT_S = 0.5
"""How often who uploads is told (s)."""

MARK = "pumice-store.json"
_FOLDER = "packs"


class Mark(msgspec.Struct, frozen=True):
    """Whose store a place is.

    Attributes:
        store: The id that the database has for it.
    """

    store: str


class RemotePacks:
    """The packs of a store, in an object store.

    Args:
        objects: The place.
        cache: What was read of them.
    """

    def __init__(self, objects: Objects, cache: PieceCache) -> None:
        self.objects = objects
        self.cache = cache

    @property
    def url(self) -> str:
        """Where they are."""
        return self.objects.url

    def publish(self, file: Path, pack: str, told: Callable[[int], None]) -> None:
        """Upload a pack and delete the file.

        Args:
            file: The whole pack.
            pack: Its id.
            told: Told now and then how many bytes are sent; what was sent in vain counts.

        Raises:
            StorageFailed: It could not be uploaded.
        """
        sent = 0

        def count(more: int) -> None:
            nonlocal sent
            sent += more

        with ThreadPoolExecutor(1, "pumice-upload") as pool:
            upload = pool.submit(self.objects.put, file, name_of(pack), count)
            while not wait([upload], timeout=_BEAT_S).done:
                told(sent)
            upload.result()
        file.unlink()

    def size(self, pack: str) -> int:
        """Length of a pack (bytes).

        Raises:
            FileNotFoundError: It is not there.
            StorageFailed: It cannot be told.
        """
        return self.objects.size(name_of(pack))

    def read(self, pack: str, start: int, size: int) -> bytes:
        """Read a part of a pack, past the cache.

        Raises:
            FileNotFoundError: It is not there.
            StorageFailed: It cannot be read.
        """
        return self.objects.read(name_of(pack), start, size)

    def every(self) -> dict[str, int]:
        """Names of all objects, each with its length.

        Raises:
            StorageFailed: They cannot be listed.
        """
        return dict(self.objects.every(_FOLDER))

    def delete(self, name: str) -> None:
        """Delete an object.

        Raises:
            StorageFailed: It could not be deleted.
        """
        self.objects.delete(name)

    def uploads(self) -> list[tuple[str, str]]:
        """Names and ids of uploads that did not come to their end, or are under way."""
        return self.objects.uploads(_FOLDER)

    def abort(self, uploads: Iterable[tuple[str, str]]) -> None:
        """End uploads that `uploads` told of.

        Raises:
            StorageFailed: One could not be ended.
        """
        for name, upload in uploads:
            self.objects.abort(name, upload)

    def claim(self, store: str) -> None:
        """Make sure that the place is this store's, and nobody else's.

        Raises:
            BadSetting: It is another's.
            StorageFailed: It cannot be told.
        """
        data = msgspec.json.encode(Mark(store))
        try:
            found = self.objects.read(MARK, 0, 4096)
        except FileNotFoundError:
            if self.objects.create(MARK, data):
                return
            found = self.objects.read(MARK, 0, 4096)
        if found != data:
            raise BadSetting("store_url", self.url, "a place of its own: that one belongs to another database")

    def reader(self, *, fresh: bool) -> RemoteReader:
        """Begin to read."""
        return RemoteReader(self, fresh=fresh)


class RemoteReader:
    """Reads packs. Threads may share it.

    Args:
        packs: The packs.
        fresh: Read nothing from the cache, and put nothing there: what counts is what the store has.
    """

    def __init__(self, packs: RemotePacks, *, fresh: bool) -> None:
        self._packs = packs
        self._fresh = fresh
        self._pool = ThreadPoolExecutor(_FETCHERS, "pumice-fetch")
        self._lock = Lock()
        self._held: OrderedDict[tuple[str, int], Future[int]] = OrderedDict()
        self._fetched: set[tuple[str, int]] = set()
        self._lengths: dict[str, int] = {}

    def close(self) -> None:
        """Give everything back."""
        self._pool.shutdown(cancel_futures=True)
        while self._held:
            _close(self._held.popitem()[1])

    def read_into(self, room: memoryview, pack: str, start: int) -> int:
        """Fill a buffer, piece by piece; how much there was.

        Raises:
            FileNotFoundError: The pack is not there.
            StorageFailed: It cannot be read.
        """
        length = self._length(pack)
        done = 0
        while done < len(room) and start + done < length:
            number, offset = divmod(start + done, PIECE)
            handle = self._handle(pack, number)
            try:
                read = os.preadv(handle, [room[done : done + PIECE - offset]], offset)
            finally:
                os.close(handle)
            if not read:
                break
            done += read
        return done

    def read(self, pack: str, start: int, size: int) -> bytes:
        """Read something small, alone: its piece is fetched only if others are wanted of it.

        Raises:
            FileNotFoundError: The pack is not there.
            StorageFailed: It cannot be read.
        """
        number = start // PIECE
        if start + size <= (number + 1) * PIECE and self._near(pack, number):
            room = bytearray(size)
            return bytes(room[: self.read_into(memoryview(room), pack, start)])
        return self._packs.read(pack, start, size)

    def refetch(self, pack: str, start: int, size: int) -> bool:
        """Drop what came from the cache of a part of a pack; whether there was something."""
        dropped = False
        for number in range(start // PIECE, (start + size - 1) // PIECE + 1):
            with self._lock:
                held = self._held.pop((pack, number), None)
                cached = held is not None and (pack, number) not in self._fetched
            if held is not None:
                _close(held)
            if cached:
                self._packs.cache.forget(pack, number)
                dropped = True
        return dropped

    def _length(self, pack: str) -> int:
        if pack not in self._lengths:
            self._lengths[pack] = self._packs.size(pack)
        return self._lengths[pack]

    def _near(self, pack: str, number: int) -> bool:
        return (pack, number) in self._held or (not self._fresh and self._packs.cache.has(pack, number))

    def _handle(self, pack: str, number: int) -> int:
        """A handle of the caller's own."""
        while True:
            with self._lock:
                wanted = self._begin(pack, number)
                if not number or (pack, number - 1) in self._held:
                    last = (self._lengths[pack] - 1) // PIECE
                    for more in range(number + 1, min(number + _AHEAD, last) + 1):
                        self._begin(pack, more)
                old = [self._held.popitem(last=False)[1] for _ in range(len(self._held) - _HELD)]
            for future in old:
                _close(future)
            handle = wanted.result()
            with self._lock:
                if self._held.get((pack, number)) is wanted:
                    return os.dup(handle)

    def _begin(self, pack: str, number: int) -> Future[int]:
        key = (pack, number)
        if key not in self._held or (self._held[key].done() and self._held[key].exception()):
            self._held[key] = self._pool.submit(self._load, pack, number)
        self._held.move_to_end(key)
        return self._held[key]

    def _load(self, pack: str, number: int) -> int:
        try:
            size = min(PIECE, self._lengths[pack] - number * PIECE)
            handle = None if self._fresh else self._packs.cache.open(pack, number, size)
            if handle is not None:
                return handle
            data = self._packs.read(pack, number * PIECE, size)
            with self._lock:
                self._fetched.add((pack, number))
            return _kept_apart(data) if self._fresh else self._packs.cache.put(pack, number, data)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageFailed("the cache of the store", error.strerror or str(error)) from error


def name_of(pack: str) -> str:
    """Name of a pack's object."""
    return f"{_FOLDER}/{pack[:2]}/{pack}.pack"


def _kept_apart(data: bytes) -> int:
    handle = os.memfd_create("pumice-piece", os.MFD_CLOEXEC)
    os.write(handle, data)
    return handle


def _close(future: Future[int]) -> None:
    future.cancel()
    future.add_done_callback(_closed)


def _closed(future: Future[int]) -> None:
    if not future.cancelled() and not future.exception():
        os.close(future.result())
