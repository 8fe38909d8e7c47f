"""What is sealed of a version besides its files: the manifest as it would be if nothing were sealed."""

from __future__ import annotations

import msgspec

from pumice.domain.errors import MalformedInput, Tampered
from pumice.domain.store.manifest import MOST_BYTES, Seal, StoredFile, VersionManifest
from pumice.domain.store.sealing import plain_size, sealed_size


class Inside(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The sealed part of a version's description.

    Attributes:
        manifest: Paths, lengths and digests of the files as they were, without chunks, and all that is known.
        signature: Who signed these files, as `pull --unseal` writes it; empty: nobody.
    """

    manifest: VersionManifest
    signature: bytes = b""


def encode_inside(inside: Inside) -> bytes:
    """Write the sealed part before it is sealed: JSON in UTF-8.

    Raises:
        MalformedInput: Its parts do not fit together, or it is too large.
    """
    inside.manifest.check()
    data = msgspec.json.encode(inside, order="sorted")
    if len(data) > MOST_BYTES:
        raise MalformedInput("sealed manifest", f"it has {len(data)} bytes; {MOST_BYTES} are allowed")
    return data


def decode_inside(data: bytes, outside: VersionManifest, ref: str) -> Inside:
    """Read the sealed part after it was unsealed, and hold it against the part that everybody may read.

    Args:
        data: Its bytes.
        outside: The manifest that everybody may read.
        ref: The version, for errors.

    Raises:
        Tampered: It is no such part, or of other files.
    """
    try:
        inside = msgspec.json.decode(data, type=Inside)
        inside.manifest.check()
    except (msgspec.DecodeError, MalformedInput):
        raise Tampered(ref, "its sealed manifest is none") from None
    plain = [(file.path, file.size) for file in inside.manifest.files]
    if plain != [(file.path, plain_size(file.size)) for file in outside.files]:
        raise Tampered(ref, "its sealed manifest is about other files")
    return inside


def sealed_manifest_of(seal: Seal) -> StoredFile:
    """Where the sealed part lies.

    Raises:
        Tampered: It is longer than any.
    """
    if seal.manifest.size > sealed_size(MOST_BYTES):
        raise Tampered(f"{seal.bound.model}@{seal.bound.version}", "its sealed manifest is too long")
    return seal.manifest
