"""Archives and compressed streams: what lies in a zip or a tar, and what a packed stream holds.

Bounded in depth, in members and in bytes: a bomb is refused, not unpacked.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

TORCH_SAVE = "a file of torch.save, which is a pickle"
TORCHSCRIPT = "TorchScript, which is a pickle with code"
COMPILED = "an archive with compiled code"
KERAS = "a Keras file, which may hold Python code (Lambda layers)"
TOO_MUCH = "an archive that is larger, deeper or fuller than a model's"
BOMB = "an archive that unpacks to far more than it is"
HIDDEN = "a packed stream (zstd or lz4) whose content cannot be seen, as joblib packs pickles"
BROKEN = "an archive that cannot be read"

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_HIDDEN_MAGICS = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18")
_LZMA_MAGICS = (b"\xfd7zXZ\x00", b"\x5d\x00\x00")
_DEEPEST = 3
_MOST_MEMBERS = 100_000
_MOST_INNER_BYTES = 256 << 20
_MOST_UNPACKED_BYTES = 1 << 20
# weights hardly shrink when they are packed; what shrinks more, and is not small, is there to fill the memory
_MOST_TIMES = 20
_NO_BOMB_BYTES = 256 << 20
_CODE_SUFFIXES = (".so", ".dll", ".dylib", ".cubin", ".pyd", ".pyc")
_KERAS_FILES = frozenset(("config.json", "metadata.json"))
# written by torch.export.save for its own checks; the torch engine leaves it out before torch sees the archive
_NEVER_READ = "/data/sample_inputs/"

Look = Callable[[IO[bytes], int, int], str]
"""Takes a stream that can seek, its size (bytes), and how many archives are around it; gives what it found."""


def look_into_zip(stream: IO[bytes], size: int, depth: int, look: Look) -> str:
    """Tell what a zip holds that must not be loaded; an empty text if there is nothing."""
    if depth >= _DEEPEST or (depth and size > _MOST_INNER_BYTES):
        return TOO_MUCH
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                return TOO_MUCH
            # a reader takes no more of a member than is told here
            if sum(member.file_size for member in members) > max(_NO_BOMB_BYTES, _MOST_TIMES * size):
                return BOMB
            found = _by_names({member.filename for member in members})
            return found or _first(_look_at(archive, member, depth, look) for member in members)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, zlib.error, lzma.LZMAError):
        return BROKEN


def look_into_tar(stream: IO[bytes], depth: int, look: Look) -> str:
    """Tell what a plain tar holds that must not be loaded."""
    if depth >= _DEEPEST:
        return TOO_MUCH
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= _MOST_MEMBERS:
                    return TOO_MUCH
                inner = archive.extractfile(member) if member.isfile() else None
                found = look(inner, member.size, depth + 1) if inner else ""
                if found:
                    return found
    except (tarfile.TarError, OSError, ValueError, EOFError):
        return BROKEN
    return ""


def look_into_packed(stream: IO[bytes], head: bytes, depth: int, look: Look) -> str:
    """Tell what a compressed stream holds; its first MiB is enough for a pickle or a tar to show itself.

    Args:
        stream: Stands at its start.
        head: Its first bytes.
        depth: Archives around it.
        look: Looks at what comes out.
    """
    if head.startswith(_HIDDEN_MAGICS):
        return HIDDEN
    try:
        data = _unpacked(stream, head)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError):
        return ""
    if not data:
        return ""
    return TOO_MUCH if depth >= _DEEPEST else look(io.BytesIO(data), len(data), depth + 1)


def _unpacked(stream: IO[bytes], head: bytes) -> bytes:
    """The first MiB of what a compressed stream holds; nothing if it is not compressed."""
    if head.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=stream) as unpacked:
            return unpacked.read(_MOST_UNPACKED_BYTES)
    if head.startswith(b"BZh"):
        return bz2.BZ2File(stream).read(_MOST_UNPACKED_BYTES)
    if head.startswith(_LZMA_MAGICS):
        return lzma.LZMAFile(stream).read(_MOST_UNPACKED_BYTES)
    if _is_zlib(head):
        return zlib.decompressobj().decompress(stream.read(_MOST_UNPACKED_BYTES), _MOST_UNPACKED_BYTES)
    return b""


def _is_zlib(head: bytes) -> bool:
    """Whether two bytes are a header of zlib (RFC 1950)."""
    return len(head) > 2 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and (head[0] << 8 | head[1]) % 31 == 0


def _by_names(names: set[str]) -> str:
    inner = {name.partition("/")[2] for name in names} | names
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return TORCHSCRIPT
    if "data.pkl" in inner:
        return TORCH_SAVE
    if any("aotinductor/" in name or name.lower().endswith(_CODE_SUFFIXES) for name in names):
        return COMPILED
    return KERAS if names >= _KERAS_FILES else ""


def _look_at(archive: zipfile.ZipFile, member: zipfile.ZipInfo, depth: int, look: Look) -> str:
    if member.is_dir() or _NEVER_READ in f"/{member.filename}":
        return ""
    with archive.open(member) as inner:
        return look(inner, member.file_size, depth + 1)


def _first(founds: Iterator[str]) -> str:
    return next(filter(None, founds), "")
