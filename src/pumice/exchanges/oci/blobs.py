"""The blobs of a layout: in a folder, or in a tar that is never unpacked by the names in it."""

from __future__ import annotations

import abc
import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from pumice.domain.errors import BadArtefact, MalformedInput, Tampered
from pumice.domain.store.names import check_path
from pumice.exchanges.oci.documents import MOST_BYTES, Descriptor

INDEX_FILE = "index.json"
LAYOUT_FILE = "oci-layout"

_MOST_MEMBERS = 100_000


class Blobs(abc.ABC):
    """A layout's files.

    Args:
        place: Where it lies, for messages.
    """

    def __init__(self, place: Path) -> None:
        self.place = place

    @abc.abstractmethod
    def size(self, path: str) -> int | None:
        """Length of a file (bytes); None if there is none.

        Raises:
            MalformedInput: It is no plain file.
        """

    @abc.abstractmethod
    def open(self, path: str) -> IO[bytes]:
        """Open a file that is there."""

    def path_of(self, blob: Descriptor) -> Path | None:
        """Where a blob lies as a file of its own, or None."""
        del blob
        return None

    def small(self, path: str) -> bytes:
        """Read one of the layout's own documents.

        Raises:
            BadArtefact: It is not there.
            MalformedInput: It is too large.
        """
        size = self.size(path)
        if size is None:
            raise BadArtefact(str(self.place), f"it has no {path}", "name an OCI image layout: a folder, or a .tar")
        if size > MOST_BYTES:
            raise MalformedInput(path, f"{size} bytes where {MOST_BYTES} are allowed")
        with self.open(path) as stream:
            return stream.read(MOST_BYTES)

    @contextmanager
    def blob(self, blob: Descriptor) -> Iterator[IO[bytes]]:
        """Open a blob that is as long as it should be.

        Raises:
            Tampered: It is not there, or of another length.
        """
        path = f"blobs/sha256/{blob.hex}"
        size = self.size(path)
        if size != blob.size:
            found = "it is not there" if size is None else f"it has {size} bytes, and {blob.size} were promised"
            raise Tampered(f"blob {blob.hex[:12]}", found)
        with self.open(path) as stream:
            yield stream

    def document(self, blob: Descriptor) -> bytes:
        """Read a small blob, and hold it against its digest.

        Raises:
            Tampered: It is not what its descriptor says.
            MalformedInput: It is too large for a document.
        """
        if blob.size > MOST_BYTES:
            raise MalformedInput(f"blob {blob.hex[:12]}", f"{blob.size} bytes where {MOST_BYTES} are allowed")
        with self.blob(blob) as stream:
            data = stream.read(blob.size + 1)
        if hashlib.sha256(data).hexdigest() != blob.hex:
            raise Tampered(f"blob {blob.hex[:12]}", "its bytes have another SHA-256")
        return data


class FolderBlobs(Blobs):
    """A layout in a folder. Links are not followed."""

    def size(self, path: str) -> int | None:
        """Length of a file; see `Blobs.size`."""
        file = self.place / path
        if any(part.is_symlink() for part in (file, *list(file.parents)[: path.count("/")])):
            raise MalformedInput(path, "a link; a layout has plain files and folders")
        if not file.exists():
            return None
        if not file.is_file():
            raise MalformedInput(path, "neither a file nor a folder")
        return file.stat().st_size

    def open(self, path: str) -> IO[bytes]:
        """Open a file that is there."""
        return (self.place / path).open("rb")

    def path_of(self, blob: Descriptor) -> Path | None:
        """Where a blob lies."""
        return self.place / "blobs" / "sha256" / blob.hex


class TarBlobs(Blobs):
    """A layout in a plain tar; use it in a ``with`` block of `open_layout`.

    Args:
        place: The file.
        archive: It, opened.

    Raises:
        MalformedInput: It has links, devices, sparse files, a name twice, or names that lead out.
    """

    def __init__(self, place: Path, archive: tarfile.TarFile) -> None:
        super().__init__(place)
        self._archive = archive
        self._members: dict[str, tarfile.TarInfo] = {}
        for count, member in enumerate(archive):
            if count >= _MOST_MEMBERS:
                raise MalformedInput(place.name, f"more than {_MOST_MEMBERS} members")
            plain_member(member)
            name = member.name.removeprefix("./").rstrip("/")
            if member.isdir() and name in {"", "."}:
                continue
            check_path(name)
            if member.isfile() and self._members.setdefault(name, member) is not member:
                raise MalformedInput(place.name, f"{name!r} is in it twice")

    def size(self, path: str) -> int | None:
        """Length of a file; see `Blobs.size`."""
        member = self._members.get(path)
        return None if member is None else member.size

    def open(self, path: str) -> IO[bytes]:
        """Open a file that is there."""
        return cast("IO[bytes]", self._archive.extractfile(self._members[path]))


def plain_member(member: tarfile.TarInfo) -> None:
    """Refuse what is neither a folder nor a file with all its bytes in the tar.

    Raises:
        MalformedInput: It is a link, a device, or a sparse file.
    """
    if member.issparse() or not (member.isfile() or member.isdir()):
        raise MalformedInput(f"member {member.name!r} of a tar", "a link, a device or a sparse file; take it out")


@contextmanager
def open_layout(place: Path) -> Iterator[Blobs]:
    """Open a layout.

    Raises:
        BadArtefact: There is nothing, or it can be read neither as a folder nor as a plain tar.
        MalformedInput: Its tar holds what no layout holds.
    """
    if place.is_dir():
        yield FolderBlobs(place)
        return
    if not place.is_file():
        raise BadArtefact(str(place), "there is no such file or folder", "name an OCI image layout")
    try:
        archive = tarfile.open(place, "r:")  # noqa: SIM115 - closed below
    except (tarfile.TarError, OSError, ValueError) as error:
        raise BadArtefact(str(place), f"it is no plain tar ({error})", "name an OCI image layout") from None
    with archive:
        try:
            blobs = TarBlobs(place, archive)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise BadArtefact(str(place), f"its tar breaks off ({error})", "copy it again") from None
        yield blobs
