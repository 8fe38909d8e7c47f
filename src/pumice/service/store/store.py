"""`Store`: the model store as commands, HTTP and Python code use it."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine

from pumice.config import Settings, load_settings
from pumice.db import Place, packs, versions
from pumice.db.engine import READS, open_database
from pumice.domain.errors import StillSealed, VersionInUse, VersionNotFound
from pumice.domain.evidence.certificate import CERTIFICATE
from pumice.domain.store.difference import Difference, difference
from pumice.domain.store.names import DEFAULT_ALIAS, Ref, check_alias, check_model_name, parse_numbered, parse_ref
from pumice.domain.store.records import ModelSummary, Move, VersionRecord
from pumice.domain.store.told import Collected
from pumice.service.store.aliases import Mover, Step, note, roll_back, set_alias
from pumice.service.store.certificates import Certificates, line
from pumice.service.store.checking import Check
from pumice.service.store.holding import HeldVersion
from pumice.service.store.lineage import trace
from pumice.service.store.lookup import known, resolve
from pumice.service.store.outgoing import Shipping
from pumice.service.store.places import layout_of
from pumice.service.store.receiving import HomeTrust
from pumice.service.store.seals import Seals
from pumice.service.store.serving import served_at
from pumice.service.store.statements import Statements
from pumice.service.store.transfer import Transfer
from pumice.service.store.trust import Guard
from pumice.service.store.types import Lineage, Progress, PushWish, Shown, Verified
from pumice.service.store.upkeep import Upkeep
from pumice.store.collecting import collect
from pumice.store.place import check_place
from pumice.store.seal_keys import SealKeys
from pumice.store.sessions import transaction

_HISTORY = 50


def _silent(_done: int, _total: int) -> None:
    """Tells nobody."""


class Store:
    """The versions of a home. Its methods block; threads and processes may share a store.

    ``keys`` are the keys that it signs with and trusts, ``statements`` what is signed of versions, ``certificates``
    what was proven of them, ``shipping`` what it hands out far away; ``upkeep`` is for backups and repairs.

    Args:
        home: The home; the one of the settings (``PUMICE_HOME``) if left out.
        database: URL of the database that is used instead of the file in the home; that of the settings if left out.
        seal_key: Keys of sealed versions, as the setting of that name; that of the settings if left out.
        settings: All settings, of a server that has read them; or some by name, such as ``store_url``, over those that
            are read here.
        by: Who changes something, for the journal; the user of this process if left out.
        clock: Seconds since 1970.

    Attributes:
        by: Who changes something, for the journal.
        engine: The database.
        seals: Keys of the sealed versions.
        trust: Says whether a version of a server is believed here; for `pumice.Client`'s ``store.pull``.

    Raises:
        BadArtefact: The database is damaged or of a newer Pumice.
        BadSetting: A URL is none, or the packs are elsewhere.
        StorageFailed: It cannot be reached or made.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        database: str | None = None,
        seal_key: str | None = None,
        settings: Settings | Mapping[str, Any] | None = None,
        by: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(settings, Settings):
            given = settings
        else:
            told = {"home": None if home is None else str(home), "database": database, "seal_key": seal_key}
            given = load_settings({**told, **(settings or {})})
        self.engine: Engine = open_database(Place(given.home_path, given.database))
        self._reader = self.engine.execution_options(**READS)
        self._layout = layout_of(given)
        self.home = given.home_path
        self._clock = clock
        self.by = by or f"local:{getpass.getuser()}"
        check_place(self.engine, self._layout)
        self._guard = Guard.of(given, self._reader, self._layout, clock)
        self.seals = Seals(self.engine, SealKeys(given.seal_key), self._guard.heads, self.by, clock)
        self._transfer = Transfer(self.engine, self._layout, clock, self._guard, self.seals)
        self.keys = self._guard.keyring
        self.trust = HomeTrust(self.keys, given.signatures)
        self.shipping = Shipping(self._transfer, self._layout, self._guard)
        self.statements = Statements(self.engine, self._layout, self._transfer, self._guard, clock)
        self.certificates = Certificates(self.engine, self._transfer.look, self._guard)
        self.upkeep = Upkeep(self.engine, self._layout, self._transfer, self._guard, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()

    def push(
        self, source: str | Path, name: str, wish: PushWish | None = None, progress: Progress = _silent
    ) -> VersionRecord:
        """Store a model's file or folder as the next version of a model.

        Chunks that are stored already are not stored again. Nothing of the version exists before the whole of it is on
        the disk.

        Args:
            source: The file or folder.
            name: Name of the model; made if it is new.
            wish: What else is said of the version.
            progress: Told how far it is.

        Raises:
            BadArtefact: The source is not there, leads out of its folder, or contradicts its manifest.
            UnsafeArtefact: A file may run code when it is read.
            BadSetting: The name, a parent's reference, or a value of the manifest is not allowed.
            VersionNotFound: A parent is not in the store.
            Tampered: A file is not what the wish's digests say.
            StorageFailed: It could not be stored.
            KeyServiceFailed: It is to be sealed, and the key's service failed.
        """
        return self._transfer.push(str(source), check_model_name(name), wish or PushWish(), self.by, progress)

    def pull(
        self, ref: str, folder: str | Path, progress: Progress = _silent, *, unseal: bool = False
    ) -> VersionRecord:
        """Write the files of a version into a folder that is not there yet, or empty. All of them appear at once.

        A pull that was cut off is gone on with by the next one of the same version into the same folder.

        Args:
            ref: The version.
            folder: The folder.
            progress: Told how far it is.
            unseal: Decrypt a sealed version: its files then lie in the clear.

        Raises:
            BadArtefact: The folder has something in it.
            StillSealed: The version is sealed, and nobody asked to unseal it.
            WrongSealKey: The setting ``seal_key`` does not give its key.
            Tampered: Stored bytes have changed; nothing is left in the folder.
            VersionNotFound: There is no such version.
            StorageFailed: Something could not be read or written.
        """
        return self._transfer.pull(ref, Path(folder).expanduser(), progress, unseal=unseal)

    def hold(self, ref: str, progress: Progress = _silent, *, served_as: str = "") -> HeldVersion:
        """Bring the files of a version into memory, each byte checked on its way, for a process that serves them.

        Args:
            ref: The version.
            progress: Told how far it is.
            served_as: Name under which it is served.

        Returns:
            The version; the caller closes it. Until then it is not deleted.

        Raises:
            Tampered: Stored bytes have changed; nothing stays in memory.
            VersionNotFound: There is no such version.
            StorageFailed: Something could not be read, or there is no memory for it.
        """
        return self._transfer.load(ref, progress, served_as or parse_ref(ref).model)

    def models(self) -> list[ModelSummary]:
        """Every model with its newest version, by name."""
        with transaction(self._reader) as connection:
            return versions.models(connection)

    def versions(self, name: str) -> list[VersionRecord]:
        """Every version of a model, the oldest first.

        Raises:
            VersionNotFound: There is no such model.
        """
        with transaction(self._reader) as connection:
            found = versions.every(connection, check_model_name(name))
            if not found:
                raise VersionNotFound(name, known(connection, name))
            return found

    def find(self, ref: str) -> VersionRecord:
        """The version that a reference means now.

        Raises:
            VersionNotFound: There is none.
        """
        with transaction(self._reader) as connection:
            return resolve(connection, ref)

    def show(self, ref: str, *, unseal: bool = False) -> Shown:
        """All that is known of a version.

        Args:
            ref: The version.
            unseal: Tell also what is sealed of its description.

        Raises:
            VersionNotFound: There is no such version.
            Tampered: Its manifest has changed, or a signature does not fit.
            WrongSealKey: The setting ``seal_key`` does not give its key.
        """
        record, manifest = self._transfer.look(ref)
        looked = self._guard.looked(record, manifest)
        outer = manifest
        if unseal:
            manifest = self._transfer.inside(record, manifest)
        sealed = self.seals.row(record)
        with transaction(self._reader) as connection:
            children = versions.children(connection, record.model, record.version)
            pointing = versions.aliases(connection, record.model)
            certified = [one for one in looked if one.statement.predicate_type == CERTIFICATE]
            return Shown(
                record=record,
                aliases=[alias for alias, version in pointing.items() if version == record.version],
                manifest=manifest,
                children=[str(Ref(model, version)) for model, version in children],
                history=versions.history(connection, record.model, _HISTORY),
                signed=[one.line for one in looked],
                served=served_at(connection, self._layout, self._clock(), record),
                sealed="" if sealed is None else sealed["key_id"],
                certificates=[line(connection, one, record, outer) for one in certified],
            )

    def at(self, ref: str, moment: float) -> Move:
        """The move by which an alias pointed to what it did at a moment, also if that version was deleted since.

        Args:
            ref: ``NAME@ALIAS``.
            moment: Seconds since 1970.

        Raises:
            BadArtefact: The reference names no alias.
            VersionNotFound: The alias did not exist then.
        """
        parsed = parse_ref(ref)
        alias = check_alias(parsed.alias)
        with transaction(self._reader) as connection:
            move = versions.last_move(connection, parsed.model, alias, moment)
            if move is None:
                raise VersionNotFound(f"{ref} at that time", known(connection, parsed.model))
            return move

    def diff(self, first: str, second: str, *, unseal: bool = False) -> Difference:
        """What changed from one version to another.

        Args:
            first: The one before.
            second: The one after.
            unseal: Tell it also of sealed versions.

        Raises:
            VersionNotFound: One of them is not there.
            Tampered: A manifest has changed.
            StillSealed: One of them is sealed, and nobody asked to unseal it.
            WrongSealKey: The setting ``seal_key`` does not give its key.
        """
        seen = []
        for ref in (first, second):
            record, manifest = self._transfer.look(ref)
            if manifest.seal and not unseal:
                raise StillSealed(ref, "what differs is told with --unseal")
            seen.append(self._transfer.inside(record, manifest))
        return difference(*seen)

    def alias(self, name: str, alias: str, version: int, reason: str = "") -> Move:
        """Let an alias point to a version.

        Raises:
            BadSetting: The alias may not be called so.
            VersionNotFound: There is no such version.
        """
        with self._changing(check_model_name(name), reason) as (connection, mover):
            return set_alias(connection, name, check_alias(alias), version, mover)

    def rollback(self, name: str, alias: str = DEFAULT_ALIAS, reason: str = "") -> Move:
        """Let an alias point to where it pointed before; again and again, each time one step further back.

        Raises:
            VersionNotFound: There is no such alias, or nothing before.
        """
        with self._changing(check_model_name(name), reason) as (connection, mover):
            return roll_back(connection, name, check_alias(alias), mover)

    def lineage(self, ref: str) -> Lineage:
        """Where a version comes from, up to its first parents.

        Raises:
            VersionNotFound: There is no such version.
            Tampered: A manifest has changed, or a parent is another one than it was.
        """
        return trace(self._transfer, self._reader, ref)

    def delete(self, ref: str, reason: str = "") -> VersionRecord:
        """Take a version out. Its bytes go with the next collection, its number is not given again.

        Args:
            ref: ``NAME@VERSION``, so that nothing is deleted by way of a name that may have moved.
            reason: Why, for the journal.

        Raises:
            BadSetting: The reference has no number.
            VersionNotFound: There is no such version.
            VersionInUse: An alias points to it, another version was made from it, or it is served.
        """
        parsed = parse_numbered(ref)
        with self._changing(parsed.model, reason) as (connection, mover):
            record = resolve(connection, parsed)
            aliases = versions.aliases(connection, record.model)
            for alias, version in aliases.items():
                if version == record.version:
                    raise VersionInUse(ref, f"the alias '{alias}' points to it", "move the alias first")
            for model, version in versions.children(connection, record.model, record.version):
                raise VersionInUse(ref, f"'{Ref(model, version)}' was made from it", "delete that first")
            for at in served_at(connection, self._layout, self._clock(), record):
                raise VersionInUse(ref, f"{at.place} serves it as '{at.name}'", "unload it there first")
            packs.loosen(connection, record.model, record.version)
            versions.delete_version(connection, record.model, record.version)
            note(connection, Step("delete", record.model, "", record.version, None), mover)
        return record

    def gc(self, *, dry_run: bool = False) -> Collected:
        """Give back the space of what no version needs. Pushes and pulls may go on meanwhile.

        Raises:
            StorageFailed: Something could not be deleted.
        """
        return collect(self.engine, self._layout, dry_run=dry_run, clock=self._clock)

    def verify(self, ref: str = "", progress: Progress = _silent) -> Verified:
        """Hold stored bytes against their digests.

        Args:
            ref: A version; empty: every version and every file of the store.
            progress: Told how far it is.

        Raises:
            VersionNotFound: There is no such version.
            StorageFailed: Something could not be read.
        """
        check = Check(self.engine, self._layout, self._transfer, self._guard, progress)
        return check.version(ref) if ref else check.everything()

    @contextmanager
    def _changing(self, model: str, reason: str) -> Iterator[tuple[Connection, Mover]]:
        now = self._clock()
        with self._guard.heads.changing(self.engine, model, now) as connection:
            yield connection, Mover(self.by, now, reason)
