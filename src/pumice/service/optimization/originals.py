"""The model that a source or a reference names, as a folder that passes can read."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pumice.domain.errors import BadArtefact, VersionNotFound
from pumice.domain.store.names import Ref, check_model_name
from pumice.domain.store.records import VersionRecord
from pumice.optimize.passes.base import ModelFolder
from pumice.service.sources import stored_ref
from pumice.service.store.store import Store

_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Original:
    """A model that variants are made from, or that is held against one.

    Attributes:
        folder: Its files.
        source: What is pushed to store it.
        name: Name that it has, or would have, in the store.
        record: The stored version that it is; None if it came from a path.
    """

    folder: ModelFolder
    source: str
    name: str
    record: VersionRecord | None = None


def find_original(source: str, store: Store, work: Path, name: str = "") -> Original:
    """Find a model.

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
        return Original(ModelFolder.find(source), source, check_model_name(name or _STRANGE.sub("-", own).strip("-.")))
    record = _found(store, source, ref)
    folder = pulled(store, record, work)
    return Original(ModelFolder.find(str(folder)), str(folder), check_model_name(name or record.model), record)


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


def _found(store: Store, source: str, ref: Ref) -> VersionRecord:
    try:
        return store.find(source)
    except VersionNotFound as error:
        if ref.version is not None or ref.alias:
            raise
        raise BadArtefact(
            source,
            "there is no such file or folder, and no model of this name in the store",
            f"give a path that exists, or a stored model ({', '.join(error.known) or 'the store is empty'})",
        ) from None
