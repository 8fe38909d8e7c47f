"""The manifest of a stored version: everything that its digest stands for."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from pumice.domain.errors import MalformedInput, Tampered
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature
from pumice.domain.store.names import check_model_name, check_path
from pumice.domain.store.sealing import FORM, MANIFEST_PATH, Bound, plain_size

MOST_BYTES = 64 * 1024 * 1024
"""Largest manifest that is read (bytes)."""

_HEX = frozenset("0123456789abcdef")


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a version.

    Attributes:
        path: Where it lies in the model's folder, with ``/`` between the parts.
        size: Its length (bytes).
        sha256: Digest of the whole file, in hex.
        lists: Digests of its chunk lists, in order, in hex; see `pumice.store.lists`.
    """

    path: str
    size: int
    sha256: str
    lists: list[str]


class Parent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that this one was made from, tied to its content.

    Attributes:
        model: Name of the model.
        version: Number of the version.
        digest: Digest of the version's manifest, in hex.
    """

    model: str
    version: int
    digest: str


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a version is sealed: its files are ciphertext, and what is known of them is sealed too.

    The manifest around it tells paths and sealed lengths and digests, parents, format and task, and nothing else.

    Attributes:
        form: How it is encrypted; see `pumice.domain.store.sealing`.
        bound: The model and version that the bytes belong to.
        manifest: The sealed manifest: paths, lengths and digests of the files as they were, and all that is known.
    """

    form: Literal["pumice-seal-1"]
    bound: Bound
    manifest: StoredFile

    @classmethod
    def of(cls, bound: Bound, manifest: StoredFile) -> Seal:
        """A seal of the newest form."""
        return cls(FORM, bound, manifest)


class VersionManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a version is: its files, what is known of it, and where it comes from.

    Name, number and time are not in it: equal content has an equal digest. They stand in the version's record.

    Attributes:
        schema: Version of this form.
        entry: The file that an engine is given, as a path of ``files``; empty: the whole folder.
        spec: What is known of the model; its paths are relative to the model's folder.
        signature: The tensors that the model's file tells, or its manifest where that says them; None: not known.
        files: The files, ordered by path.
        parents: The versions that it was made from.
        recipe: How it was made from them.
        environment: Names and versions of what made it.
        seal: Set if the files are sealed; see `Seal`.
    """

    schema: Literal[1] = 1
    entry: str = ""
    spec: Manifest = msgspec.field(default_factory=Manifest)
    signature: Signature | None = None
    files: list[StoredFile]
    parents: list[Parent] = msgspec.field(default_factory=list)
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    seal: Seal | msgspec.UnsetType = msgspec.UNSET

    @property
    def stored(self) -> list[StoredFile]:
        """Everything that lies in the store for it: its files, and the sealed manifest if there is one."""
        return [*self.files, *([self.seal.manifest] if self.seal else [])]

    @property
    def tensors(self) -> dict[str, str]:
        """The signature as text: ``input NAME`` and ``output NAME`` -> datatype and shape."""
        signature = self.signature or self.spec.signature
        if signature is None:
            return {}
        sides = (("input", signature.inputs), ("output", signature.outputs))
        return {f"{side} {tensor.name}": str(tensor) for side, tensors in sides for tensor in tensors}

    @property
    def size(self) -> int:
        """Length of all files together, of sealed ones before they were sealed (bytes).

        Raises:
            Tampered: No sealed file is so long as one that is named.
        """
        return sum(plain_size(file.size) if self.seal else file.size for file in self.files)

    def check(self) -> None:
        """Refuse a manifest whose parts do not fit together.

        Raises:
            MalformedInput: A path leads out or comes twice, a number is negative, or a digest is none.
        """
        paths = [check_path(file.path) for file in self.files]
        if paths != sorted(set(paths)):
            raise MalformedInput("manifest", "its files are not in order, or a path comes twice")
        folders = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
        if not folders.isdisjoint(paths):
            raise MalformedInput("manifest", "a path is a file and a folder at once")
        if self.seal:
            check_model_name(self.seal.bound.model)
            if self.seal.manifest.path != MANIFEST_PATH or self.seal.bound.version < 1:
                raise MalformedInput("manifest, seal", "expected a number from 1, and a sealed manifest without a path")
        for file in self.stored:
            digests = (file.sha256, *file.lists)
            if file.size < 0 or not all(is_digest(digest) for digest in digests):
                raise MalformedInput(
                    f"manifest, file {file.path!r}", "expected a size of at least 0 and SHA-256 in hex"
                )
        for parent in self.parents:
            check_model_name(parent.model)
            if parent.version < 1 or not is_digest(parent.digest):
                raise MalformedInput("manifest, parents", "expected numbers from 1 and SHA-256 in hex")
        if self.entry and self.entry not in paths:
            raise MalformedInput("manifest, entry", f"there is no file {self.entry!r}")


def encode_manifest(manifest: VersionManifest) -> bytes:
    """Write a manifest in its one form: JSON with its keys in order and no spaces, in UTF-8.

    Raises:
        MalformedInput: Its parts do not fit together.
    """
    manifest.check()
    return msgspec.json.encode(manifest, order="sorted")


def decode_manifest(data: bytes, digest: str) -> VersionManifest:
    """Read a manifest and hold it against its digest.

    Args:
        data: The stored bytes.
        digest: What they should have, in hex.

    Raises:
        Tampered: They have another one.
        MalformedInput: They are no manifest, though the digest is right.
    """
    if digest_of(data) != digest:
        raise Tampered(f"manifest {digest[:12]}", "its bytes have another SHA-256")
    try:
        manifest = msgspec.json.decode(data, type=VersionManifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput("manifest", str(error)) from None
    manifest.check()
    return manifest


def digest_of(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 in hex, in lower case."""
    return len(text) == 64 and _HEX.issuperset(text)
