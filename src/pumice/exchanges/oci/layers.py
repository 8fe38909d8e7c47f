"""From the layers of a model to its files, each held against its digest, and none where it does not belong."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from pumice.domain.errors import MalformedInput, StorageFailed, Tampered, Unsupported
from pumice.domain.store.names import check_path
from pumice.exchanges.base import Progress
from pumice.exchanges.folders import MOST_FILES, lay_down
from pumice.exchanges.oci import media
from pumice.exchanges.oci.blobs import Blobs, plain_member
from pumice.exchanges.oci.documents import Descriptor
from pumice.exchanges.oci.reading import Pack

_BLOCK = 1 << 20
# weights hardly shrink when they are packed; what shrinks more, and is not small, is there to fill the disk
_MOST_TIMES = 20
_NO_BOMB_BYTES = 256 << 20
# what is read to find out what the model is, is held against its digest first
_SMALL = 4 << 20


class Unpacking:
    """Lays the files of a model down.

    Args:
        blobs: The layout.
        folder: Gets the files.
        progress: Told how far it is.
    """

    def __init__(self, blobs: Blobs, folder: Path, progress: Progress) -> None:
        self._blobs = blobs
        self._folder = folder
        self._progress = progress
        self._done = self._total = 0
        self._paths: set[str] = set()
        self.digests: dict[str, str] = {}
        """SHA-256 in hex that files must have which were not hashed here: those that are links to blobs."""

    def unpack(self, pack: Pack) -> None:
        """Unpack every layer.

        Raises:
            MalformedInput: A path leads out or comes twice, or there is a link or a device; or too much comes out.
            Tampered: A layer is not what its digest says.
            Unsupported: A layer is of a kind that is not read.
            StorageFailed: A file could not be written.
        """
        manifest = pack.found.manifest
        self._total = sum(layer.size for layer in manifest.layers)
        for layer, diff_id in zip(manifest.layers, pack.config.modelfs.diff_ids, strict=True):
            packing = media.packing_of(layer.media_type)
            if packing is None:
                raise Unsupported(
                    f"a layer of the kind {layer.media_type[:120]!r}", "pack it raw, as tar or as tar+gzip"
                )
            if packing != "tar+gzip" and diff_id != layer.digest:
                raise Tampered(f"layer {layer.hex[:12]}", "the configuration has another digest of it")
            if packing == "raw":
                self._raw(layer)
            else:
                self._tar(layer, diff_id, packed=packing == "tar+gzip")
            self._done += layer.size
            self._progress(self._done, self._total)

    def _raw(self, layer: Descriptor) -> None:
        path = layer.annotations.get(media.FILE_PATH) or layer.annotations.get(media.TITLE, "")
        target = self._place(path)
        with self._blobs.blob(layer) as stream:
            place = self._blobs.path_of(layer)
            if place is not None and layer.size > _SMALL:
                lay_down(place, target)
                self.digests[path] = layer.hex  # the push reads it anyway, and holds it against this
            elif self._write(stream, target) != layer.hex:
                raise Tampered(f"layer {layer.hex[:12]}", "its bytes have another SHA-256")

    def _tar(self, layer: Descriptor, diff_id: str, *, packed: bool) -> None:
        limit = max(_NO_BOMB_BYTES, _MOST_TIMES * layer.size) if packed else layer.size
        with self._blobs.blob(layer) as stream:
            outer = _Hashing(stream, layer.size)
            try:
                unpacked = gzip.GzipFile(fileobj=cast("IO[bytes]", outer)) if packed else outer
                inner = _Hashing(cast("IO[bytes]", unpacked), limit)
                with tarfile.open(fileobj=cast("IO[bytes]", inner), mode="r|") as archive:
                    for member in archive:
                        self._member(archive, member)
                inner.rest()
                outer.rest()
            except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
                raise MalformedInput(f"layer {layer.hex[:12]}", f"its tar cannot be read: {error}") from None
        for digest, wanted in ((outer.digest, layer.digest), (inner.digest, diff_id)):
            if digest != wanted:
                raise Tampered(f"layer {layer.hex[:12]}", f"its digest is {digest}, and {wanted} was promised")

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        plain_member(member)
        if member.isfile():
            target = self._place(member.name.removeprefix("./"))
            self._write(cast("IO[bytes]", archive.extractfile(member)), target)

    def _place(self, path: str) -> Path:
        check_path(path)
        above = {"/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)}
        if path in self._paths or not above.isdisjoint(self._paths) or (self._folder / path).exists():
            raise MalformedInput(f"path {path!r} of a layer", "it comes twice, or is a file and a folder at once")
        self._paths.add(path)
        if len(self._paths) > MOST_FILES:
            raise MalformedInput("layers", f"more than {MOST_FILES} files")
        return self._folder / path

    def _write(self, stream: IO[bytes], target: Path) -> str:
        digest = hashlib.sha256()
        for block in _blocks(stream):
            digest.update(block)
            _append(target, block)
        _append(target, b"")
        return digest.hexdigest()


def _append(target: Path, block: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as file:
            file.write(block)
    except OSError as error:
        raise StorageFailed(str(target), error.strerror or str(error)) from error


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


class _Hashing:
    """A stream that hashes what is read of it, and refuses to give more than it may."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._read = 0
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Digest of what was read."""
        return f"sha256:{self._hash.hexdigest()}"

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size if 0 <= size <= _BLOCK else _BLOCK)
        self._read += len(data)
        if self._read > self._limit:
            raise MalformedInput("layer", f"it unpacks to more than {self._limit} bytes, far more than it is")
        self._hash.update(data)
        return data

    def rest(self) -> None:
        """Read to the end."""
        while self.read(_BLOCK):
            pass
