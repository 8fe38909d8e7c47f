"""Pushing sealed files: read, hashed, encrypted, hashed again and written, a segment at a time.

What reaches the disk is encrypted before. Memory is a few segments, whatever the size.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from types import TracebackType
from typing import Protocol, Self

from pumice.domain.errors import BadArtefact
from pumice.domain.store.manifest import StoredFile
from pumice.domain.store.sealing import MANIFEST_PATH, SEALED_SEGMENT, SEGMENT, TAG_BYTES, Bound, sealed_size
from pumice.store.ciphers import FileCipher, VersionCipher
from pumice.store.lists import ListBuilder
from pumice.store.pushing import Progress, Push
from pumice.store.tree import SourceFile

_AHEAD = 4
"""Segments that are hashed and encrypted while the next one is read."""


class _Stream(Protocol):
    """What is read."""

    def readinto(self, room: memoryview, /) -> int | None:
        """Fill a buffer, or a part of it."""
        ...


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment that is being sealed.

    Attributes:
        room: Where it stands, first plain and then sealed.
        sealed: The digest of its sealed bytes, once it is known.
    """

    room: memoryview
    sealed: Future[bytes]


class SealedPush:
    """Adds sealed files to a push.

    Args:
        push: Stores what is sealed.
        cipher: Of the version that is pushed.
        progress: Told of the bytes of files as they are read.
    """

    def __init__(self, push: Push, cipher: VersionCipher, progress: Progress) -> None:
        self._push = push
        self._cipher = cipher
        self._progress = progress
        self._sealers = ThreadPoolExecutor(2, "pumice-seal")
        self._plain = ThreadPoolExecutor(1, "pumice-plain")
        self._whole = ThreadPoolExecutor(1, "pumice-files")
        self._buffers = cycle([memoryview(bytearray(SEALED_SEGMENT)) for _ in range(_AHEAD + 4)])

    @property
    def bound(self) -> Bound:
        """The version that is pushed."""
        return self._cipher.bound

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for threads in (self._sealers, self._plain, self._whole):
            threads.shutdown(cancel_futures=True)

    def add_file(self, source: SourceFile) -> tuple[StoredFile, StoredFile]:
        """Store a file.

        Returns:
            The file as it is stored, sealed; and as it was, with no chunks.

        Raises:
            BadArtefact: It cannot be read.
            StorageFailed: It could not be stored.
        """
        try:
            with source.place.open("rb", buffering=0) as stream:
                return self._add(source.path, stream, self._progress)
        except OSError as error:
            told = f"it cannot be read: {error.strerror}"
            raise BadArtefact(str(source.place), told, "mend its permissions") from None

    def add_manifest(self, data: bytes) -> StoredFile:
        """Store the version's sealed manifest.

        Raises:
            StorageFailed: It could not be stored.
        """
        return self._add(MANIFEST_PATH, io.BytesIO(data), lambda _count: None)[0]

    def _add(self, path: str, stream: _Stream, progress: Progress) -> tuple[StoredFile, StoredFile]:
        cipher = self._cipher.of(path)
        plain, whole = hashlib.sha256(), hashlib.sha256()
        lists = ListBuilder(self._push.add_object)
        size = 0
        waiting: deque[_Segment] = deque()
        for position, (room, last) in enumerate(_segments(stream, self._buffers)):
            size += len(room) - TAG_BYTES
            hashed = self._plain.submit(plain.update, room[:-TAG_BYTES])
            waiting.append(_Segment(room, self._sealers.submit(_seal, hashed, cipher, room, (position, last))))
            if len(waiting) > _AHEAD:
                progress(self._finish(waiting.popleft(), whole, lists))
        while waiting:
            progress(self._finish(waiting.popleft(), whole, lists))
        stored = StoredFile(path, sealed_size(size), whole.hexdigest(), lists.close())
        return stored, StoredFile(path, size, plain.hexdigest(), [])

    def _finish(self, segment: _Segment, whole: hashlib._Hash, lists: ListBuilder) -> int:
        digest = segment.sealed.result()
        hashed = self._whole.submit(whole.update, segment.room)
        self._push.keep([digest], [segment.room])
        hashed.result()
        lists.extend([(digest, len(segment.room))])
        return len(segment.room) - TAG_BYTES


def _seal(hashed: Future[None], cipher: FileCipher, room: memoryview, place: tuple[int, bool]) -> bytes:
    """Encrypt a segment once its plain bytes are hashed, and tell the digest of the sealed ones."""
    hashed.result()
    cipher.seal(room, place[0], last=place[1])
    return hashlib.sha256(room).digest()


def _segments(stream: _Stream, buffers: Iterator[memoryview]) -> Iterator[tuple[memoryview, bool]]:
    """Read segments, each with room for its tag, and whether it is the last."""
    room = next(buffers)
    size = _fill(stream, room[:SEGMENT])
    while True:
        following = next(buffers)
        more = _fill(stream, following[:SEGMENT]) if size == SEGMENT else 0
        yield room[: size + TAG_BYTES], not more
        if not more:
            return
        room, size = following, more


def _fill(stream: _Stream, room: memoryview) -> int:
    done = 0
    while done < len(room):
        read = stream.readinto(room[done:])
        if not read:
            break
        done += read
    return done
