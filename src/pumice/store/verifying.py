"""Verifying: every stored byte is held against the digest that covers it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pumice.db.packs import PackRow, Place
from pumice.domain.errors import StorageFailed, Tampered
from pumice.domain.store.backups import PACK_ID
from pumice.domain.store.manifest import StoredFile
from pumice.store.ciphers import FileCipher
from pumice.store.layout import Layout
from pumice.store.lists import Entry
from pumice.store.packs import MAGIC, MEND, PackReader, read_index
from pumice.store.pulling import BLOCK, THREADS, Rooms, Run, load, read_small, runs_of
from pumice.store.pushing import Progress
from pumice.store.sessions import Session


class Plain(NamedTuple):
    """A sealed file for whoever has the key.

    Attributes:
        file: As it was before it was sealed.
        cipher: Unseals it.
    """

    file: StoredFile
    cipher: FileCipher


def verify_file(
    file: StoredFile, session: Session, reader: PackReader, progress: Progress, plain: Plain | None = None
) -> None:
    """Read a stored file whole, and hold it against its chunks' digests and its own.

    Args:
        file: The file, as it is stored.
        session: Keeps its packs from the collector.
        reader: Reads packs.
        progress: Told of the bytes that were read.
        plain: What a sealed file is unsealed with; None: it is held against its sealed digests alone.

    Raises:
        Tampered: It has changed, or a part of it is not there.
        StorageFailed: It could not be read.
    """
    rooms = Rooms()

    def read(run: Run) -> tuple[Run, memoryview]:
        return run, load(reader, run.place, run.chunks, rooms.take())

    def take(loaded: Future[tuple[Run, memoryview]]) -> None:
        run, data = loaded.result()
        whole.update(data)
        if plain is not None:
            room = rooms.take()
            unsealed.update(plain.cipher.unseal(data, room, run.at, file.size))
            rooms.give_back(room)
        progress(len(data))
        rooms.give_back(memoryview(data.obj))

    whole, unsealed = hashlib.sha256(), hashlib.sha256()
    with ThreadPoolExecutor(THREADS, "pumice-chunks") as pool:
        waiting: deque[Future[tuple[Run, memoryview]]] = deque()
        for run in runs_of(file, session, reader):
            waiting.append(pool.submit(read, run))
            if len(waiting) > THREADS:
                take(waiting.popleft())
        while waiting:
            take(waiting.popleft())
    if whole.hexdigest() != file.sha256:
        raise Tampered(f"file {file.path!r}", "its bytes have another SHA-256 than its manifest says")
    if plain is not None and unsealed.hexdigest() != plain.file.sha256:
        raise Tampered(f"file {file.path!r}", "its unsealed bytes have another SHA-256 than its manifest says")


def verify_pack(row: PackRow, layout: Layout, reader: PackReader, progress: Progress) -> None:
    """Read a pack whole, and hold it against its index, its chunks' digests and the database.

    Raises:
        Tampered: It has changed or is not there.
        StorageFailed: It could not be read.
    """
    path = layout.pack(row["id"])
    try:
        entries, digest, size = read_index(layout, row["id"])
    except FileNotFoundError:
        raise Tampered(f"pack {row['id']}", "its file is not there", MEND) from None
    except OSError as error:
        raise StorageFailed(str(path), error.strerror or str(error)) from error
    if path.is_symlink():
        raise Tampered(f"pack {row['id']}", "its file is a link", MEND)
    if (size, digest) != (row["size"], row["digest"]):
        raise Tampered(f"pack {row['id']}", "it is another pack than the one that was entered", MEND)
    room = memoryview(bytearray(BLOCK))
    for place, chunks in _runs(row["id"], entries):
        load(reader, place, chunks, room)
        progress(place.size)


def damaged_chunks(pack: str, chunks: Mapping[bytes, tuple[int, int]], reader: PackReader) -> set[bytes]:
    """Tell which chunks of a pack cannot be read as they were stored.

    Args:
        pack: The pack.
        chunks: Those that it should have: digest -> first byte and length.
        reader: Reads packs.

    Raises:
        StorageFailed: It could not be read.
    """
    found = set()
    for digest, (start, size) in sorted(chunks.items(), key=lambda item: item[1]):
        try:
            read_small(reader, Place(pack, start, size), digest)
        except Tampered:
            found.add(digest)
    return found


def _runs(pack: str, entries: list[Entry]) -> Iterator[tuple[Place, list[Entry]]]:
    start = len(MAGIC)
    size = 0
    chunks: list[Entry] = []
    for entry in entries:
        if chunks and size + entry[1] > BLOCK:
            yield Place(pack, start, size), chunks
            start, size, chunks = start + size, 0, []
        chunks.append(entry)
        size += entry[1]
    if chunks:
        yield Place(pack, start, size), chunks


def extra_files(layout: Layout, files: Iterable[Path], known: Collection[str]) -> tuple[list[Path], list[Path]]:
    """Tell files of the store's folder that no pack of the database owns.

    Args:
        layout: The store's folder.
        files: Its files.
        known: Ids of the packs in the database, read after the files were listed.

    Returns:
        What pushes left that did not come to their end, or write just now: no version uses it, and the collector takes
        it; and what does not belong there at all.
    """
    left: list[Path] = []
    foreign: list[Path] = []
    owned = {layout.pack(pack) for pack in known}
    for path in files:
        if path in owned:
            continue
        ours = path in {layout.pack(path.stem), layout.incoming / path.name} and PACK_ID.fullmatch(path.stem)
        (left if ours and not path.is_symlink() else foreign).append(path)
    return left, foreign
