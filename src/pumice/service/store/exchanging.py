"""Versions from other registries and forms in, versions of the store out.

An import is a push: what an exchange lays down goes through every check that a pushed folder goes through.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pumice.config import load_settings
from pumice.domain.errors import BadSetting, StorageFailed, UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.domain.store.names import check_alias, check_model_name, is_left_out
from pumice.domain.store.records import VersionRecord
from pumice.domain.trust.statements import SIGNATURE_FILE
from pumice.engines.discovery import engines_in_files
from pumice.engines.registry import engine_class, engine_that_takes
from pumice.engines.source import MANIFEST_NAME
from pumice.exchanges.base import Access, Arrival, Parcel
from pumice.exchanges.registry import exchange_of_source, exchange_of_target
from pumice.service.store.store import Store
from pumice.service.store.types import Progress, PushWish

_STALE_S = 24 * 3600.0


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an import.

    Attributes:
        record: The new version.
        form: Which exchange read it.
        origin: Where it comes from, as its recipe says.
        aliases: Aliases that point to it now.
        notes: What its reader should know.
    """

    record: VersionRecord
    form: str
    origin: dict[str, Any]
    aliases: list[str]
    notes: list[str]


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an export.

    Attributes:
        record: The version.
        form: Which exchange wrote it.
        place: Where it is now.
        about: What identifies it there.
        notes: What its sender should know.
    """

    record: VersionRecord
    form: str
    place: str
    about: dict[str, Any]
    notes: list[str]


def _silent(_done: int, _total: int) -> None:
    """Tells nobody."""


def import_model(
    store: Store, source: str, name: str = "", *, aliases: bool = False, reason: str = "", progress: Progress = _silent
) -> Imported:
    """Store a model that comes from another registry or form, as the next version of a name.

    Args:
        store: Where to.
        source: Where from, ``FORM:PLACE``; a path whose form is plain needs no form before it.
        name: Name of the model; the one that it has there if left out.
        aliases: Whether the aliases that it has there are set here too.
        reason: Why, for the journal.
        progress: Told how far it is: first of what is fetched, then of what is stored.

    Raises:
        BadSetting: No form takes the source, or the name is not allowed.
        BadArtefact: There is nothing, or not what the form asks for.
        MalformedInput: Something in it cannot be read, or leads out of its place.
        UnsafeArtefact: A file may run code when it is read.
        Tampered: Bytes are not what their digest says.
        ExchangeFailed: The other side cannot be reached, or said no.
        StorageFailed: It could not be stored.
    """
    exchange, place = exchange_of_source(source, _access())
    with _staging(store.home) as folder:
        arrival = exchange.fetch(place, folder, progress)
        _refuse_code(folder)
        origin = {"form": exchange.name, **arrival.origin}
        digests = {
            path: digest for path, digest in arrival.digests.items() if not any(map(is_left_out, path.split("/")))
        }
        wish = PushWish(
            recipe={"import": origin},
            reason=reason or f"imported from {source}",
            spec=_unsaid(folder, arrival),
            digests=digests,
        )
        record = store.push(folder / arrival.entry, _model_name(name, arrival), wish, progress)
    wanted = [check_alias(alias) for alias in arrival.aliases] if aliases else []
    for alias in wanted:
        store.alias(record.model, alias, record.version, f"imported from {source}")
    return Imported(record=record, form=exchange.name, origin=origin, aliases=wanted, notes=list(arrival.notes))


def export_model(
    store: Store, ref: str, target: str, *, aliases: bool = False, progress: Progress = _silent
) -> Exported:
    """Bring a version to another registry, or write it in another form.

    Args:
        store: Where from.
        ref: The version.
        target: Where to, ``FORM:PLACE``.
        aliases: Whether the aliases that point to it here are set there too.
        progress: Told how far it is.

    Raises:
        BadSetting: The target names no form.
        BadArtefact: There is something at the target.
        VersionNotFound: There is no such version.
        Tampered: Stored bytes have changed.
        ExchangeFailed: The other side cannot be reached, or said no.
        StorageFailed: Something could not be read or written.
    """
    exchange, place = exchange_of_target(target, _access())
    shown = store.show(ref)
    exact = f"{shown.record.model}@{shown.record.version}"
    parcel = Parcel(
        record=shown.record,
        manifest=shown.manifest,
        aliases=tuple(shown.aliases) if aliases else (),
        unpack=lambda folder: _unpack(store, exact, folder, progress),
    )
    sent = exchange.send(parcel, place, progress)
    return Exported(record=shown.record, form=exchange.name, place=sent.place, about=sent.about, notes=list(sent.notes))


def _unsaid(folder: Path, arrival: Arrival) -> Manifest | None:
    """Add what is known of a model to its files; where a signature covers them, it is told to the push instead."""
    if arrival.manifest is None or (folder / SIGNATURE_FILE).exists():
        return arrival.manifest
    data = msgspec.json.format(msgspec.json.encode(arrival.manifest), indent=2)
    (folder / MANIFEST_NAME).write_bytes(data + b"\n")
    return None


def _refuse_code(folder: Path) -> None:
    """Refuse a model that is code of others; what it names would also be looked for in this machine's own code."""
    for file in folder.glob(f"*{MANIFEST_NAME}"):
        try:
            told = msgspec.json.decode(file.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # the push says what is wrong with it
        if isinstance(told, dict) and any(_is_code(folder, told.get(key)) for key in ("format", "model")):
            mend = "read its code; if you trust it, store the folder with pumice models push"
            raise UnsafeArtefact(file.name, "the manifest of a model that is code of its own", mend)


def _is_code(folder: Path, named: object) -> bool:
    if not isinstance(named, str) or not named or (folder / named).is_file():
        return False
    engine = engine_class(named) if named in engines_in_files() else engine_that_takes(named, None)
    return engine is not None and engine.runs_code


def _unpack(store: Store, ref: str, folder: Path, progress: Progress) -> None:
    store.pull(ref, folder, progress)


def _access() -> Access:
    settings = load_settings({})
    return Access(token=settings.exchange_token, ca=settings.tls_ca)


def _model_name(given: str, arrival: Arrival) -> str:
    try:
        return check_model_name(given or arrival.name)
    except BadSetting:
        if given:
            raise
        raise BadSetting("--name", f"nothing, and there it is called {arrival.name!r}", "a name for it here") from None


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    """A folder on the store's own file system, so that what lies there already is linked and not copied."""
    cache = home / "cache"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for left in cache.glob("import-*"):
            if time.time() - left.stat().st_mtime > _STALE_S:  # of an import that was killed
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="import-", dir=cache))
    except OSError as error:
        raise StorageFailed(str(cache), error.strerror or str(error)) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
