"""From a layout to the one model in it that is meant, and what is attached to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pumice.domain.errors import BadArtefact, MalformedInput, Unsupported
from pumice.exchanges.oci import media
from pumice.exchanges.oci.blobs import INDEX_FILE, LAYOUT_FILE, Blobs
from pumice.exchanges.oci.documents import Attachment, Config, Descriptor, Index, Layout, Manifest, decode

_MOST_MANIFESTS = 1_000
_DEEPEST = 3
_MOST_ATTACHMENTS = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest of a layout.

    Attributes:
        descriptor: What named it.
        manifest: What it says.
    """

    descriptor: Descriptor
    manifest: Manifest

    @property
    def tag(self) -> str:
        """Its tag, or an empty text."""
        return self.descriptor.annotations.get(media.REF_NAME, "")


@dataclass(frozen=True, slots=True)
class Pack:
    """A model of a layout.

    Attributes:
        found: Its manifest.
        config: Its configuration.
        attachments: What is attached to it.
    """

    found: Found
    config: Config
    attachments: tuple[Attachment, ...]


def read_pack(blobs: Blobs, tag: str) -> Pack:
    """Find a model.

    Args:
        blobs: The layout.
        tag: Its tag; empty: the only model there is.

    Raises:
        BadArtefact: There is no such model, or several.
        MalformedInput: A document has another form.
        Tampered: A document is not what its digest says.
        Unsupported: The layout is of another version.
    """
    version = decode(blobs.small(LAYOUT_FILE), Layout, LAYOUT_FILE).image_layout_version
    if version != media.LAYOUT_VERSION:
        raise Unsupported(f"the image layout version {version[:40]!r}", f"pack it as {media.LAYOUT_VERSION}")
    found = list(_manifests(blobs))
    chosen = _chosen(blobs, found, tag)
    config = decode(blobs.document(chosen.manifest.config), Config, "the model's configuration")
    _check(chosen.manifest, config)
    return Pack(chosen, config, tuple(_attachments(blobs, found, chosen.descriptor.digest)))


def _manifests(blobs: Blobs) -> Iterator[Found]:
    waiting = [(_index(blobs.small(INDEX_FILE)), 0)]
    seen: set[str] = set()
    while waiting:
        index, depth = waiting.pop()
        for entry in index.manifests:
            if entry.digest in seen:
                continue
            seen.add(entry.digest)
            if len(seen) > _MOST_MANIFESTS:
                raise MalformedInput(INDEX_FILE, f"more than {_MOST_MANIFESTS} manifests")
            if entry.media_type == media.INDEX:
                if depth >= _DEEPEST:
                    raise MalformedInput(INDEX_FILE, f"indexes nested more than {_DEEPEST} deep")
                waiting.append((_index(blobs.document(entry)), depth + 1))
            elif entry.media_type == media.MANIFEST:
                manifest = decode(blobs.document(entry), Manifest, f"manifest {entry.hex[:12]}")
                manifest.check()
                yield Found(entry, manifest)


def _index(data: bytes) -> Index:
    index = decode(data, Index, INDEX_FILE)
    index.check()
    return index


def _chosen(blobs: Blobs, found: list[Found], tag: str) -> Found:
    models = [one for one in found if one.manifest.artifact_type == media.MODEL and one.manifest.subject is None]
    fitting = [one for one in models if not tag or one.tag == tag]
    if len(fitting) == 1:
        return fitting[0]
    tags = ", ".join(one.tag or one.descriptor.digest for one in models) or "none"
    problem = f"{len(fitting)} models{f' with the tag {tag!r}' if tag else ''} are in it; it has: {tags}"
    mend = "name one as LAYOUT:TAG" if models else f"pack a model as {media.MODEL}"
    raise BadArtefact(str(blobs.place), problem, mend)


def _check(manifest: Manifest, config: Config) -> None:
    if manifest.media_type != media.MANIFEST or manifest.config.media_type != media.MODEL_CONFIG:
        raise MalformedInput("the model's manifest", f"media types other than {media.MANIFEST}, {media.MODEL_CONFIG}")
    if config.modelfs.type != "layers" or len(config.modelfs.diff_ids) != len(manifest.layers) or not manifest.layers:
        raise MalformedInput("the model's configuration", "modelfs does not name as many layers as there are")


def _attachments(blobs: Blobs, found: list[Found], digest: str) -> Iterator[Attachment]:
    about = [one for one in found if one.manifest.subject is not None and one.manifest.subject.digest == digest]
    layers = [layer for one in about for layer in one.manifest.layers]
    if len(layers) > _MOST_ATTACHMENTS:
        raise MalformedInput(INDEX_FILE, f"more than {_MOST_ATTACHMENTS} attachments of one model")
    for layer in layers:
        yield Attachment(layer.media_type, blobs.document(layer))
