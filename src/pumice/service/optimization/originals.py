"""The model that a source or a reference names, as a folder that passes can read."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pumice.domain.store.names import Ref, check_model_name
from pumice.domain.store.records import VersionRecord
from pumice.optimize.making import lay_down
from pumice.optimize.passes.base import MANIFEST, ModelFolder
from pumice.optimize.passes.registry import installed_passes
from pumice.optimize.race.digests import folder_digest, model_digest
from pumice.service.sources import stored_ref, stored_version
from pumice.service.store.store import Store

_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Original:
    """A model that variants are made from, or that is held against one.

    Attributes:
        folder: Its files.
        source: What is pushed to store it.
        name: Name that it has, or would have, in the store.
        record: The stored version that it is; None if it is none.
        parent: The stored version that it was exported from.
        recipe: How it was exported; empty: it was not.
    """

    folder: ModelFolder
    source: str
    name: str
    record: VersionRecord | None = None
    parent: VersionRecord | None = None
    recipe: dict[str, Any] = field(default_factory=dict)


def find_original(source: str, store: Store, work: Path, name: str = "") -> Original:
    """Find a model; what has to be exported to ONNX first is.

    Args:
        source: A path, or a reference to a stored version.
        store: The store.
        work: Where the files of a stored version are written; those that are there already are used again.
        name: What it is to be called in the store; its own name if left out.

    Raises:
        BadArtefact: There is no such file, or it cannot be used.
        BadSetting: The name is not allowed.
        StillSealed: The version is sealed.
        VersionNotFound: There is no such version.
    """
    ref = stored_ref(source)
    if ref is None:
        place = Path(source).expanduser().absolute()
        own = place.stem if place.is_file() else place.name
        called = check_model_name(name or _STRANGE.sub("-", own).strip("-."))
        return _as_onnx(Original(ModelFolder.find(source), source, called), work)
    record = stored_version(store, source, ref)
    folder = pulled(store, record, work)
    called = check_model_name(name or record.model)
    return _as_onnx(Original(ModelFolder.find(str(folder)), str(folder), called, record), work)


def pulled(store: Store, record: VersionRecord, work: Path) -> Path:
    """Write a stored version's files into a folder of its own, once.

    Raises:
        StillSealed: The version is sealed.
        Tampered: Stored bytes have changed.
    """
    folder = work / "sources" / record.digest[:32]
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        store.pull(str(Ref(record.model, version=record.version)), part)
        (part / "model.sig").unlink(missing_ok=True)
        part.rename(folder)
    return folder


def _as_onnx(found: Original, work: Path) -> Original:
    """Export what passes cannot take as it is; a model that was exported before is not exported again."""
    exporting = installed_passes().get("export")
    given = found.folder.manifest.format
    if exporting is None or given not in exporting.formats:
        return _with_manifest(found, work)
    whole = found.folder.model.is_dir()
    digest = folder_digest(found.folder.path) if whole else model_digest(found.folder)
    target = work / "exported" / digest[:32]
    if not target.is_dir():
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        exporting.of({}).apply(found.folder, part)
        part.rename(target)
    recipe: dict[str, Any] = {"passes": [{"export": {}}]}
    return Original(ModelFolder.read(target), str(target), found.name, parent=found.record, recipe=recipe)


def _with_manifest(found: Original, work: Path) -> Original:
    """Give a model without a folder of its own one: what else lies beside its file is not looked at."""
    if (found.folder.path / MANIFEST).exists() or not found.folder.manifest.model:
        return found
    place = work / "sources" / model_digest(found.folder)[:32]
    if not place.is_dir():
        part = place.with_name(f"{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        lay_down(found.folder, part)
        part.rename(place)
    return replace(found, folder=ModelFolder.read(place))
