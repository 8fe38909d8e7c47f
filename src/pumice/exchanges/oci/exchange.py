"""From an OCI image layout and back to one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import MalformedInput, StorageFailed, Tampered
from pumice.domain.model import Manifest
from pumice.domain.store.manifest import VersionManifest, decode_manifest, digest_of
from pumice.domain.trust.bundles import decode_bundle
from pumice.domain.trust.statements import FILES, SIGNATURE_FILE, decode_statement
from pumice.exchanges.base import Arrival, Exchange, Parcel, Progress, Sent
from pumice.exchanges.folders import landing
from pumice.exchanges.huggingface.card import NAME as CARD
from pumice.exchanges.huggingface.card import Card, read_card
from pumice.exchanges.huggingface.reading import Files, read_manifest
from pumice.exchanges.oci import media
from pumice.exchanges.oci.blobs import LAYOUT_FILE, open_layout
from pumice.exchanges.oci.layers import Unpacking
from pumice.exchanges.oci.reading import Pack, read_pack
from pumice.exchanges.oci.writing import write_layout, write_tar

MANIFEST = "manifest.json"

_TAR = ".tar"


class Oci(Exchange):
    """A ModelPack in an OCI image layout, a folder or a ``.tar``: ``oci:LAYOUT[:TAG]``."""

    name = "oci"
    title = "OCI image layout with a ModelPack"

    @classmethod
    def recognises(cls, source: str) -> bool:
        """Whether it is a folder with ``oci-layout`` in it."""
        return (_parted(source)[0] / LAYOUT_FILE).is_file()

    def fetch(self, source: str, folder: Path, progress: Progress) -> Arrival:
        """Lay a model of a layout down; see `Exchange.fetch`.

        Raises:
            BadArtefact: There is no layout, or not one model that is meant.
            MalformedInput: A document, a layer or a path is not what the specification allows.
            Tampered: Something is not what its digest says.
            Unsupported: A layer is of a kind that is not read.
        """
        place, tag = _parted(source)
        try:
            with open_layout(place) as blobs:
                pack = read_pack(blobs, tag)
                unpacking = Unpacking(blobs, folder, progress)
                unpacking.unpack(pack)
        except OSError as error:
            raise StorageFailed(str(place), error.strerror or str(error)) from error
        version = _version(pack)
        _lay_down_signature(pack, folder)
        name = pack.config.descriptor.get("name")
        return Arrival(
            name=name if isinstance(name, str) else "",
            entry="" if version is None or (folder / MANIFEST).exists() else version.entry,
            origin=_origin(pack, version),
            manifest=_described(pack, folder) if version is None else None,
            digests=unpacking.digests,
        )

    def send(self, parcel: Parcel, target: str, progress: Progress) -> Sent:
        """Write a layout with one model; see `Exchange.send`.

        Raises:
            BadArtefact: There is something at the target.
            StorageFailed: It could not be written.
        """
        del progress  # unpacking tells it
        place, tag = _parted(target)
        tag = tag or str(parcel.record.version)
        with landing(place) as part:
            if place.suffix == _TAR:
                with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as around:
                    layout = Path(around, "layout")
                    model = write_layout(parcel, layout, tag)
                    write_tar(layout, part)
            else:
                model = write_layout(parcel, part, tag)
        return Sent(place=f"{place.absolute()}:{tag}", about={"digest": model.digest, "tag": tag})


def _parted(text: str) -> tuple[Path, str]:
    """A layout and the tag behind it; a path that is there is taken as it stands."""
    place = Path(text).expanduser()
    before, colon, tag = text.rpartition(":")
    if place.exists() or not colon or "/" in tag or not before:
        return place, ""
    return Path(before).expanduser(), tag


def _version(pack: Pack) -> VersionManifest | None:
    """The version's manifest, if the pack is an export of ours; it must be of the same files."""
    found = [one for one in pack.attachments if one.kind == media.VERSION]
    if not found:
        return None
    if len(found) > 1:
        raise MalformedInput("attachments", "more than one version's manifest")
    version = decode_manifest(found[0].data, digest_of(found[0].data))
    layers = {layer.annotations.get(media.FILE_PATH): layer.hex for layer in pack.found.manifest.layers}
    if layers != {file.path: file.sha256 for file in version.files}:
        raise Tampered("attachments", "the version's manifest is of other files than the model")
    return version


def _origin(pack: Pack, version: VersionManifest | None) -> dict[str, Any]:
    origin: dict[str, Any] = {"digest": pack.found.descriptor.digest, "tag": pack.found.tag}
    origin |= {"descriptor": pack.config.descriptor} if pack.config.descriptor else {}
    if version is not None:
        told = msgspec.to_builtins(version)
        kept = ("parents", "recipe", "environment")
        origin["version"] = {"digest": _digest(pack)} | {key: told[key] for key in kept if told[key]}
    return origin


def _digest(pack: Pack) -> str:
    (found,) = (one for one in pack.attachments if one.kind == media.VERSION)
    return digest_of(found.data)


def _lay_down_signature(pack: Pack, folder: Path) -> None:
    """Put the signature where the store looks for one: it is held against the files, and kept beside the store's."""
    signatures = [one.data for one in pack.attachments if one.kind == media.SIGNATURE and _is_of_files(one.data)]
    if len(signatures) > 1:
        raise MalformedInput("attachments", f"{len(signatures)} signatures, of which one could be kept")
    if signatures and not (folder / SIGNATURE_FILE).exists():
        (folder / SIGNATURE_FILE).write_bytes(signatures[0])


def _is_of_files(bundle: bytes) -> bool:
    """Whether a bundle is a signature of files. Others are about the version there, which this one is not."""
    what = "an attached signature"
    return decode_statement(decode_bundle(bundle, what).payload, what).predicate_type == FILES


def _described(pack: Pack, folder: Path) -> Manifest | None:
    """What is known of a pack that another tool made; None if it says so itself, or nothing is known."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    if MANIFEST in paths or not {"config.json", CARD} & paths.keys():
        return None
    card = read_card(paths[CARD].read_text(encoding="utf-8", errors="replace"), CARD) if CARD in paths else None
    manifest = read_manifest(Files(paths), card or Card({}, "", ""))
    told = pack.config.descriptor
    licences = told.get("licenses")
    known = {
        "description": manifest.description or _text(told.get("description")),
        "licence": manifest.licence or (" AND ".join(map(str, licences)) if isinstance(licences, list) else ""),
    }
    return msgspec.structs.replace(manifest, **known)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
