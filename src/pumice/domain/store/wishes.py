"""What is said of a version that is pushed, and how it is told to a server."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pumice.domain.errors import MalformedInput
from pumice.domain.model import Manifest
from pumice.domain.store.names import check_path, is_left_out
from pumice.domain.store.records import VersionRecord

MOST_SIZE = 2**53
"""Most bytes that a file may have: what numbers in JSON hold exactly."""

Why = Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00]*$")]
"""Why something is changed, for the journal; PostgreSQL cannot keep the character 0."""


class PushWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a new version besides its files.

    Attributes:
        parents: References to the versions that it was made from.
        recipe: How it was made from them.
        reason: Why it is pushed, for the journal.
        drop_signature: Leave out the signature that lies in the folder, unchecked.
        spec: What is known of the model, if its folder does not say it.
        digests: SHA-256 in hex that files must turn out to have, by path; else nothing is entered.
        seal: Encrypt it with the key of the setting ``seal_key``.
        mend: Compare its bytes with those that are stored of it also if these lie in an object store, and store them
            anew where they have changed. With packs in the home, every push does.
    """

    parents: tuple[str, ...] = ()
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)
    reason: str = ""
    drop_signature: bool = False
    spec: Manifest | None = None
    digests: dict[str, str] = msgspec.field(default_factory=dict)
    seal: bool = False
    mend: bool = False


class UploadFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is to be pushed.

    Attributes:
        path: Where it lies in the model's folder, with ``/`` between the parts.
        size: Its length (bytes).
        sha256: Digest of the whole file, in hex.
    """

    path: Annotated[str, Meta(min_length=1)]
    size: Annotated[int, Meta(ge=0, le=MOST_SIZE)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class UploadWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version that is to be pushed to a server: its files, and what is said of it.

    Attributes:
        files: The files, in any order, each path once.
        entry: The file that is stored with what it needs; empty: the folder is stored whole.
        parents: References to the versions that it was made from.
        recipe: How it was made from them.
        reason: Why it is pushed, for the journal.
        drop_signature: Leave out the signature that lies among the files, unchecked.
        spec: What is known of the model, if its files do not say it.
        seal: Encrypt it with the server's key.
        mend: Compare its bytes with those that are stored of it also if these lie in an object store.
    """

    files: Annotated[list[UploadFile], Meta(min_length=1, max_length=100_000)]
    entry: str = ""
    parents: list[str] = msgspec.field(default_factory=list)
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)
    reason: Why = ""
    drop_signature: bool = False
    spec: Manifest | None = None
    seal: bool = False
    mend: bool = False

    @property
    def size(self) -> int:
        """Length of all files together (bytes)."""
        return sum(file.size for file in self.files)

    def check(self) -> None:
        """Refuse files that cannot lie in one folder, or that no version has.

        Raises:
            MalformedInput: A path leads out, comes twice, is a folder of another, or is always left out.
        """
        paths = {check_path(file.path) for file in self.files}
        if len(paths) != len(self.files):
            raise MalformedInput("files", "a path comes twice")
        for path in paths:
            parts = path.split("/")
            if any(map(is_left_out, parts)):
                raise MalformedInput(f"file {path!r}", "files of this name are never stored; leave it out")
            if any("/".join(parts[:depth]) in paths for depth in range(1, len(parts))):
                raise MalformedInput(f"file {path!r}", "it lies in what is itself a file")
        if self.entry and self.entry not in paths:
            raise MalformedInput("entry", f"there is no file {self.entry[:100]!r}")

    def id_for(self, model: str, who: str) -> str:
        """Name of this push: the same for the same caller, model, files and words, so that it can be gone on with."""
        data = msgspec.json.encode([model, who, self], order="sorted")
        return hashlib.sha256(data).hexdigest()[:32]


class UploadState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a push over HTTP is.

    Attributes:
        id: Its name in paths.
        have: How many bytes of each file are there, in the order of the files; the rest is to be sent.
        most_bytes: Most bytes of a file that one request may bring.
        record: The version, if it is entered already and its caller has not heard of it.
    """

    id: str
    have: list[int]
    most_bytes: int
    record: VersionRecord | None = None


class FileState(msgspec.Struct, frozen=True):
    """How far one file of a push is.

    Attributes:
        have: How many of its bytes are there.
    """

    have: int


class Attest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further statement about a version, which the server signs.

    Attributes:
        form: Type of the predicate, a URI.
        predicate: What is said.
    """

    form: Annotated[str, Meta(min_length=3, max_length=500, pattern=r"^[^\x00]*$")]
    predicate: dict[str, Any]


class TrustWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that is to be trusted.

    Attributes:
        pem: A public key, or an authority's certificate, in PEM.
        name: Whose it is.
        models: Patterns of the models' names that it is trusted for; ``*`` stands for anything.
    """

    pem: Annotated[str, Meta(max_length=65536)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    models: Annotated[list[str], Meta(min_length=1, max_length=100)] = msgspec.field(default_factory=lambda: ["*"])
