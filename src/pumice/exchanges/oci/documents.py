"""The JSON documents of a layout, read with every field that matters checked."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from pumice.domain.errors import MalformedInput, Unsupported

MOST_BYTES = 4 * 1024 * 1024
"""Largest document that is read (bytes), as registries have it too."""

_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")

T = TypeVar("T")


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What stands for a blob: what it is, how long, and its digest.

    Attributes:
        media_type: What it is.
        digest: ``sha256:`` and the digest in hex.
        size: Its length (bytes).
        annotations: What else is said of it.
        artifact_type: What the manifest behind it is of.
        data: Its bytes in Base64, if it carries them.
    """

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    artifact_type: str = ""
    data: str = ""

    @property
    def hex(self) -> str:
        """The digest without its algorithm."""
        return self.digest.partition(":")[2]

    def check(self) -> None:
        """Refuse a descriptor that names no blob.

        Raises:
            MalformedInput: Its digest is none, or its size negative.
            Unsupported: Its digest is of another algorithm.
        """
        if not _DIGEST.fullmatch(self.digest) or self.size < 0 or not self.media_type:
            raise MalformedInput("descriptor", f"expected a media type, a digest and a size, given {self}")
        if not _SHA256.fullmatch(self.digest):
            raise Unsupported(f"the digest {self.digest[:80]!r}", "pack it with sha256")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A manifest of the OCI image specification.

    Attributes:
        schema_version: Always 2.
        media_type: That of a manifest.
        artifact_type: What it is of.
        config: The configuration.
        layers: The parts.
        subject: The manifest that this one is about.
        annotations: What else is said.
    """

    schema_version: int
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor
    layers: list[Descriptor] = msgspec.field(default_factory=list)
    subject: Descriptor | None = None
    annotations: dict[str, str] = msgspec.field(default_factory=dict)

    def check(self) -> None:
        """Refuse a manifest of another version, or with descriptors that are none.

        Raises:
            MalformedInput: See above.
        """
        if self.schema_version != 2:
            raise MalformedInput("manifest", f"schemaVersion {self.schema_version} where 2 is expected")
        for part in (self.config, *self.layers, *([self.subject] if self.subject else [])):
            part.check()


class Index(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An index of the OCI image specification.

    Attributes:
        schema_version: Always 2.
        media_type: That of an index.
        manifests: What it lists.
    """

    schema_version: int
    media_type: str = ""
    manifests: list[Descriptor]

    def check(self) -> None:
        """Refuse an index of another version, or with descriptors that are none.

        Raises:
            MalformedInput: See above.
        """
        if self.schema_version != 2:
            raise MalformedInput("index", f"schemaVersion {self.schema_version} where 2 is expected")
        for part in self.manifests:
            part.check()


class Attachment(msgspec.Struct, frozen=True):
    """Something that was said of a model and is no file of it: a signature, its version's manifest.

    Attributes:
        kind: Its media type.
        data: Its bytes.
        annotations: What else is said of it.
    """

    kind: str
    data: bytes
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


class Layout(msgspec.Struct, frozen=True, rename="camel"):
    """The file ``oci-layout``.

    Attributes:
        image_layout_version: Its version.
    """

    image_layout_version: str


class ModelFs(msgspec.Struct, frozen=True, rename="camel"):
    """The layers' digests once they are unpacked.

    Attributes:
        type: Always ``layers``.
        diff_ids: The digests, in the order of the layers.
    """

    type: str
    diff_ids: list[str]


class Config(msgspec.Struct, frozen=True, rename="camel"):
    """A model's configuration (docs/config.md); descriptor and config hold plain values alone.

    Attributes:
        descriptor: General information.
        config: Technical information.
        modelfs: The layers' digests.
    """

    descriptor: dict[str, Any]
    config: dict[str, Any]
    modelfs: ModelFs


def decode(data: bytes, kind: type[T], what: str) -> T:
    """Read a document.

    Raises:
        MalformedInput: It is no JSON, or has another form.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput(what, str(error)) from None


def encode(document: object) -> bytes:
    """Write a document in its one form: keys in order, no spaces."""
    return msgspec.json.encode(document, order="sorted")
