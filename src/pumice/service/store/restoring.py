"""Restoring a backup into an empty home, or into an empty database and an object store: all of it, or nothing.

Everything is put together in a folder of the home and checked there, see `pumice.db.arriving`. What lies elsewhere
belongs to nobody before the database tells of it, and the rows of a PostgreSQL database come in one transaction.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, delete

from pumice.config import Settings
from pumice.db import FILE_NAME, database_file, packs, signatures
from pumice.db.arriving import PART, READY, SCRATCH, move_in
from pumice.db.copying import any_row, copy_rows
from pumice.db.engine import READS, one_after_the_other, sqlite_engine
from pumice.db.migrations import migrate
from pumice.db.packs import PackRow
from pumice.db.schema import store_places
from pumice.domain.errors import BadArtefact, MalformedInput, StorageFailed, Tampered, Untrusted
from pumice.domain.store.backups import BackupState, encode_state
from pumice.domain.store.told import Restored
from pumice.domain.trust.policy import short
from pumice.service.store.places import layout_of
from pumice.service.store.store import Store
from pumice.service.store.types import Progress
from pumice.store.backups import AUDIT, DATABASE, HEADS, PUBLIC, SECRETS, TRUST, BackupFolder
from pumice.store.carrying import bring_pack, copied, has_pack, is_whole
from pumice.store.layout import Layout
from pumice.store.private_files import write_private
from pumice.store.sessions import transaction
from pumice.store.signing.keyring import LEAST_ID, Keyring, replace_file
from pumice.store.witness import Witness

_STATE, _PLACE = f"{SCRATCH}/state.json", f"{SCRATCH}/place"
_EMPTY = "name a home that is not there, by PUMICE_HOME; or move this one away"


class Restore:
    """Restores one state.

    Args:
        settings: Where to: the home, the database and the object store.
        folder: The backup.
        state: Name of the state; empty: the newest.
        key: Beginning of the id of the key that must have signed it; empty: any.

    Raises:
        BadArtefact: There is no such backup or state.
        Tampered: It has changed.
        Untrusted: Another key signed it.
        StorageFailed: It cannot be read.
    """

    def __init__(self, settings: Settings, folder: str | Path, state: str = "", key: str = "") -> None:
        self._settings = settings
        self._home = settings.home_path
        self._part = self._home / PART
        self._backup = BackupFolder(Path(folder).expanduser().absolute())
        self._layout = layout_of(settings)
        self.state: BackupState = self._backup.read(state)
        if key and (len(key) < LEAST_ID or not self.state.key.startswith(key)):
            what = f"state {self.state.name}"
            raise Untrusted(what, f"key {short(self.state.key)} signed it, not {key}", "give the backup that is yours")

    def run(self, progress: Progress = lambda _done, _total: None) -> Restored:
        """Put everything in its place. One that was killed is gone on with.

        Args:
            progress: Told how many bytes of packs are there.

        Raises:
            BadArtefact: The home, the database or the place of packs is not empty, or another restore is under way.
            Tampered: A pack has changed.
            StorageFailed: Something could not be read or written.
        """
        try:
            with self._locked(), self._leaving_nothing():
                if not (self._part / READY).exists():
                    with one_after_the_other(self._home):
                        self._refuse_taken()
                        self._begin()
                    self._put_together(progress)
                known = (self._part / _STATE).read_bytes()
                with one_after_the_other(self._home):
                    move_in(self._home)
                    if known != encode_state(self.state):
                        self._refuse_taken()  # it was another state that was ready
        except OSError as error:
            raise StorageFailed(str(self._home), error.strerror or str(error)) from error
        return self._looked_at()

    @contextlib.contextmanager
    def _leaving_nothing(self) -> Iterator[None]:
        """Leave nothing of a restore for which trying again does not help; an object store that was begun stays so."""
        try:
            yield
        except (Tampered, BadArtefact, MalformedInput):
            if not self._layout.remote and not (self._part / READY).exists():
                shutil.rmtree(self._part, ignore_errors=True)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._part.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BadArtefact(str(self._home), "another restore into it is under way", "wait for it") from None
        finally:
            os.close(handle)

    def _refuse_taken(self) -> None:
        """Refuse a home that has something of a store; keys and caches may be there."""
        taken = [database_file(self._home), self._home / TRUST]
        taken += [path for path in (self._home / "store").rglob("*") if not path.is_dir()]
        for path in taken:
            if path.exists() or path.is_symlink():
                raise BadArtefact(str(self._home), f"it has {path.relative_to(self._home)}", _EMPTY)
        if self._settings.database:
            with self._rows_of_target():
                pass

    def _begin(self) -> None:
        """Go on with what a restore of the same state left, or begin anew."""
        scratch = self._part / SCRATCH
        data = encode_state(self.state)
        known = self._part / _STATE
        if not known.exists() or known.read_bytes() != data or not (self._part / _PLACE).exists():
            for path in self._part.iterdir():
                shutil.rmtree(path)
            scratch.mkdir(mode=0o700)
            write_private(self._part / _PLACE, str(uuid.uuid4()).encode())
            write_private(known, data)

    def _put_together(self, progress: Progress) -> None:
        engine = self._database()
        try:
            with transaction(engine.execution_options(**READS)) as connection:
                rows = packs.every(connection)
            self._bring(rows, progress)
            self._small_files()
            self._see(engine)
            if self._settings.database:
                self._fill(engine)
        finally:
            engine.dispose()
        if not self._settings.database:
            (self._part / SCRATCH / FILE_NAME).replace(self._part / FILE_NAME)
        write_private(self._part / READY, b"")

    def _database(self) -> Engine:
        """Lay out the rows of the state, in the newest form, and with the place that packs have now."""
        (self._part / FILE_NAME).unlink(missing_ok=True)
        file = self._part / SCRATCH / FILE_NAME
        for left in file.parent.glob(f"{FILE_NAME}*"):
            left.unlink()
        if copied(self._backup.states / self.state.name / DATABASE, file) != self.state.files[DATABASE]:
            raise Tampered(str(self._backup.states / self.state.name / DATABASE), "it has changed while it was read")
        engine = sqlite_engine(file)
        with transaction(engine) as connection:
            migrate(connection)
            connection.execute(delete(store_places))
            packs.settle_at(connection, self._place, self._layout.url)
        return engine

    @property
    def _place(self) -> str:
        return (self._part / _PLACE).read_text(encoding="ascii")

    def _bring(self, rows: list[PackRow], progress: Progress) -> None:
        scratch = Layout(self._part / SCRATCH)
        target = Layout(self._part)
        if self._layout.remote:
            self._layout.remote.claim(self._place)
            target = self._layout
        total, done = sum(row["size"] for row in rows), 0

        def told(count: int) -> None:
            nonlocal done
            done += count
            progress(min(done, total), total)

        for row in rows:
            before = done
            if not has_pack(row, target):
                bring_pack(row, self._backup.layout, scratch, target, told)
            if self._layout.remote and not is_whole(row, target):
                target.delete(target.pack(row["id"]))
                raise Tampered(f"pack {row['id']}", "the object store has other bytes than were sent", "try again")
            done = before
            told(row["size"])

    def _small_files(self) -> None:
        source = self._backup.states / self.state.name
        targets = {HEADS: self._part / "store" / "heads", SECRETS: self._part}
        for path in self.state.files:
            first, _, rest = path.partition("/")
            target = targets.get(first, self._part) / rest if rest else self._part / path
            if path in {DATABASE, PUBLIC} or (first == AUDIT and (self._home / rest).exists()):
                continue
            if first == SECRETS and (self._home / rest).exists():
                continue  # what its operator has put there counts
            if copied(source / path, target) != self.state.files[path]:
                raise Tampered(str(source / path), "it has changed while it was read")
        self._trust()

    def _see(self, engine: Engine) -> None:
        """Note the heads that no home had looked at when the backup was taken: what is there now is the first seen."""
        witness = Witness(Layout(self._part))
        with transaction(engine.execution_options(**READS)) as connection:
            for name in signatures.heads(connection):
                body = signatures.head(connection, name)
                if body is not None and not witness.file(name).exists():
                    replace_file(witness.file(name), body)

    def _trust(self) -> None:
        """Believe the key that signed the backup, if the home does not sign with it."""
        if self._own_key() != self.state.key:
            keyring = Keyring(self._part)
            name = f"the home of the backup {self.state.name}"
            keyring.trust(self._backup.states / self.state.name / PUBLIC, name=name)

    def _own_key(self) -> str:
        named = self._settings.signing_key
        for home in (self._home, self._part):
            own = Keyring(home, named, self._settings.signing_certificate if named else "").own
            if own is not None:
                return own.id
        return ""

    def _fill(self, source: Engine) -> None:
        """Copy the rows into the PostgreSQL database, unless the restore that was killed did."""
        with self._rows_of_target() as target, transaction(source.execution_options(**READS)) as rows:
            if packs.place(target) is None:
                copy_rows(rows, target)

    @contextlib.contextmanager
    def _rows_of_target(self) -> Iterator[Connection]:
        """A transaction on the PostgreSQL database, which is empty, or was filled by this restore."""
        from pumice.db.postgres import open_postgres

        engine = open_postgres(self._settings.database)
        try:
            with transaction(engine) as connection:
                packs.lock(connection)
                table = any_row(connection)
                ours = (self._part / _PLACE).exists() and packs.place(connection) == (self._place, self._layout.url)
                if table and not ours:
                    raise BadArtefact(
                        "the database", f"it has rows, in {table!r}", "name an empty one by PUMICE_DATABASE"
                    )
                yield connection
        finally:
            engine.dispose()

    def _looked_at(self) -> Restored:
        with Store(settings=self._settings) as store:
            problems = store.upkeep.look_over().problems
            own = store.keys.own
            return Restored(
                state=self.state.name,
                created=self.state.created,
                versions=self.state.versions,
                packs=len(self.state.packs),
                bytes=self.state.size,
                key=self.state.key,
                own=own is not None and own.id == self.state.key,
                secrets=self.state.secrets,
                seal_keys=self.state.seal_keys,
                problems=problems,
            )
