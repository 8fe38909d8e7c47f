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
from typing import Any, Protocol

import msgspec

from pumice.config import load_settings
from pumice.domain.errors import BadSetting, StorageFailed
from pumice.domain.model import Manifest
from pumice.domain.store.names import check_alias, check_model_name, is_left_out
from pumice.domain.store.records import Move, VersionRecord
from pumice.domain.store.told import Shown, SignedStatement
from pumice.domain.trust.statements import FILES, SIGNATURE_FILE
from pumice.engines.source import MANIFEST_NAME
from pumice.exchanges.base import Access, Arrival, Parcel
from pumice.exchanges.registry import exchange_of_source, exchange_of_target
from pumice.service.store.foreign_code import refuse_code
from pumice.service.store.types import Progress, PushWish

_STALE_S = 24 * 3600.0
_READ_IT = "read its code; if you trust it, store the folder with pumice models push"


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


class Told(Protocol):
    """What is signed of versions."""

    def of(self, ref: str) -> list[SignedStatement]:
        """See `pumice.service.store.statements.Statements`."""


class Depot(Protocol):
    """The store of this home, or of a server (`pumice.service.store.remote.RemoteStore`)."""

    @property
    def home(self) -> Path:
        """The home of this side, for what is put together on the way."""

    def push(self, source: str | Path, name: str, wish: PushWish | None, progress: Progress) -> VersionRecord:
        """See `Store`."""

    def pull(self, ref: str, folder: str | Path, progress: Progress) -> VersionRecord:
        """See `Store`."""

    def show(self, ref: str) -> Shown:
        """See `Store`."""

    def alias(self, name: str, alias: str, version: int, reason: str) -> Move:
        """See `Store`."""

    @property
    def statements(self) -> Told:
        """See `Store`."""


def _silent(_done: int, _total: int) -> None:
    """Tells nobody."""


def import_model(
    store: Depot, source: str, name: str = "", *, aliases: bool = False, reason: str = "", progress: Progress = _silent
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
        refuse_code(folder, arrival.manifest, _READ_IT)
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
    store: Depot, ref: str, target: str, *, aliases: bool = False, progress: Progress = _silent
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
        statements=tuple(one.bundle for one in store.statements.of(exact) if one.form != FILES),
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


def _unpack(store: Depot, ref: str, folder: Path, progress: Progress) -> None:
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
