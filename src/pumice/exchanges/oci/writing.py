"""From a version to a layout: each file a blob that is moved into its place, equal versions to equal bytes."""

from __future__ import annotations

import base64
import hashlib
import shutil
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact
from pumice.domain.store.manifest import StoredFile, encode_manifest
from pumice.domain.trust.bundles import decode_bundle
from pumice.domain.trust.statements import SIGNATURE_FILE, decode_statement
from pumice.exchanges.base import Parcel
from pumice.exchanges.oci import media
from pumice.exchanges.oci.blobs import INDEX_FILE, LAYOUT_FILE
from pumice.exchanges.oci.documents import Attachment, Config, Descriptor, Index, Layout, Manifest, ModelFs, encode

_INPUTS: Mapping[str, str] = {
    "text-classification": "text",
    "text-embedding": "text",
    "image-classification": "image",
}
_OUTPUTS: Mapping[str, str] = {"text-embedding": "embedding"}
_FORMATS: Mapping[str, str] = {"transformers": "safetensors", "torch": "pt"}
_MODE, _REGULAR = 0o644, ord("0")


def write_layout(parcel: Parcel, folder: Path, tag: str) -> Descriptor:
    """Write a layout of one model.

    Args:
        parcel: The version.
        folder: Is made, and gets the layout.
        tag: Tag of the model.

    Returns:
        What stands for the model.

    Raises:
        BadArtefact: The version has no files.
        StorageFailed: A file could not be written.
        OSError: A file could not be moved.
    """
    if not parcel.manifest.files:
        raise BadArtefact(f"{parcel.record.model}@{parcel.record.version}", "it has no files", "push a model with some")
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    files = folder / "files"
    parcel.unpack(files)
    signature = files / SIGNATURE_FILE
    signed = [_bundle(signature.read_bytes())] if signature.exists() else []
    signed += [_bundle(data) for data in parcel.statements]
    for file in parcel.manifest.files:
        (files / file.path).replace(blobs / file.sha256)
    shutil.rmtree(files)
    layers = [_layer(file, parcel.manifest.entry) for file in parcel.manifest.files]
    config = Config(_descriptor(parcel), _technical(parcel), ModelFs("layers", [layer.digest for layer in layers]))
    manifest = Manifest(
        schema_version=2,
        media_type=media.MANIFEST,
        artifact_type=media.MODEL,
        config=_blob(blobs, encode(config), media.MODEL_CONFIG),
        layers=layers,
        annotations={media.TITLE: parcel.record.model, media.DIGEST: parcel.record.digest},
    )
    model = _blob(blobs, encode(manifest), media.MANIFEST)
    said = [Attachment(media.VERSION, encode_manifest(parcel.manifest)), *signed]
    entries = [_named(model, media.MODEL, {media.REF_NAME: tag})]
    entries += [_named(_about(blobs, model, one), one.kind, one.annotations) for one in said]
    (folder / LAYOUT_FILE).write_bytes(encode(Layout(media.LAYOUT_VERSION)))
    index = Index(schema_version=2, media_type=media.INDEX, manifests=entries)
    (folder / INDEX_FILE).write_bytes(encode(index))
    return model


def write_tar(folder: Path, target: Path) -> None:
    """Put a layout into a tar, names in order, with no times and owners."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                member.size = path.stat().st_size
                with path.open("rb") as stream:
                    archive.addfile(member, stream)


def _layer(file: StoredFile, entry: str) -> Descriptor:
    kind, known = media.kind_of(file.path, entry)
    metadata = {
        "name": file.path,
        "mode": _MODE,
        "uid": 0,
        "gid": 0,
        "size": file.size,
        "mtime": "1970-01-01T00:00:00Z",
        "typeflag": _REGULAR,
    }
    said = {media.FILE_PATH: file.path, media.FILE_METADATA: encode(metadata).decode()}
    said |= {} if known else {media.UNTESTED: "true"}
    return Descriptor(media_type=kind, digest=f"sha256:{file.sha256}", size=file.size, annotations=said)


def _bundle(data: bytes) -> Attachment:
    form = decode_statement(decode_bundle(data, "a statement").payload, "a statement").predicate_type
    return Attachment(media.SIGNATURE, data, {media.CONTENT: media.ENVELOPE, media.PREDICATE: form})


def _about(blobs: Path, model: Descriptor, said: Attachment) -> Descriptor:
    """Attach something to the model: a manifest whose subject it is."""
    empty = _blob(blobs, media.EMPTY_DATA, media.EMPTY)
    manifest = Manifest(
        schema_version=2,
        media_type=media.MANIFEST,
        artifact_type=said.kind,
        config=_with_data(empty, media.EMPTY_DATA),
        layers=[_blob(blobs, said.data, said.kind)],
        subject=model,
        annotations=said.annotations,
    )
    return _blob(blobs, encode(manifest), media.MANIFEST)


def _with_data(blob: Descriptor, data: bytes) -> Descriptor:
    encoded = base64.b64encode(data).decode()
    return Descriptor(media_type=blob.media_type, digest=blob.digest, size=blob.size, data=encoded)


def _named(blob: Descriptor, kind: str, annotations: dict[str, str]) -> Descriptor:
    return Descriptor(
        media_type=blob.media_type, digest=blob.digest, size=blob.size, artifact_type=kind, annotations=annotations
    )


def _blob(blobs: Path, data: bytes, kind: str) -> Descriptor:
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return Descriptor(media_type=kind, digest=f"sha256:{digest}", size=len(data))


def _descriptor(parcel: Parcel) -> dict[str, Any]:
    record, spec = parcel.record, parcel.manifest.spec
    created = datetime.fromtimestamp(int(record.created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"createdAt": created, "name": record.model, "version": str(record.version)}
    return (
        told
        | ({"description": spec.description} if spec.description else {})
        | ({"licenses": [spec.licence]} if spec.licence else {})
    )


def _technical(parcel: Parcel) -> dict[str, Any]:
    spec = parcel.manifest.spec
    told: dict[str, Any] = {"format": _FORMATS.get(spec.format, spec.format)} if spec.format else {}
    if spec.task in _INPUTS:
        outputs = [_OUTPUTS.get(spec.task, "other")]
        told["capabilities"] = {"inputTypes": [_INPUTS[spec.task]], "outputTypes": outputs}
    return told
