"""Backups: states of a store and of its home, taken while others push, collect and serve."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, func, select

from pumice.__about__ import __version__
from pumice.db import packs, seals
from pumice.db.copying import copy_rows
from pumice.db.engine import READS, sqlite_engine
from pumice.db.migrations import migrate
from pumice.db.packs import PackRow
from pumice.db.schema import store_versions
from pumice.domain.errors import BadArtefact, BadSetting, MalformedInput, StorageFailed, Tampered
from pumice.domain.store.backups import BackedPack, BackupState, encode_state, state_statement
from pumice.domain.store.told import BackedUp, BackupChecked
from pumice.service.store.trust import Guard
from pumice.service.store.types import Progress
from pumice.store.backups import (
    AUDIT,
    DATABASE,
    HEADS,
    PUBLIC,
    SECRETS,
    SIGNATURE,
    STATE,
    TRUST,
    BackupFolder,
    sha256_of,
)
from pumice.store.carrying import bring_pack, copied, has_pack, is_whole
from pumice.store.layout import Layout
from pumice.store.private_files import write_private
from pumice.store.sessions import Session, transaction

SECRET_FILES = ("keys/signing.pem", "webhook.secret")
"""What of a home is secret: its own private key, and what its webhooks are signed with."""

_AUDITS = "audit.jsonl*"
_TRIES = 20


class Backups:
    """Takes backups of a home.

    Args:
        engine: The database.
        layout: The store's folder.
        guard: The keys, and the heads that were seen.
        clock: Seconds since 1970.
    """

    def __init__(self, engine: Engine, layout: Layout, guard: Guard, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READS)
        self._layout = layout
        self._guard = guard
        self._home = layout.home
        self._clock = clock

    def make(
        self,
        folder: str | Path,
        progress: Progress = lambda _done, _total: None,
        *,
        secrets: bool = False,
        keep: int = 7,
        reread: bool = False,
    ) -> BackedUp:
        """Add the state of now to a folder of backups. Packs that are there already are not copied again.

        Args:
            folder: The folder; made if it is not there.
            progress: Told how many bytes of packs are there.
            secrets: Take the home's private key and its secret for webhooks along.
            keep: How many states stay in the folder, this one among them.
            reread: Read also the packs that are there already, and copy those anew that have changed.

        Raises:
            BadArtefact: The folder has something else in it, or lies in the home.
            BadSetting: No state is to stay.
            Tampered: A pack has changed and no backup has it; all others are copied, and there is no new state.
            StorageFailed: Something could not be read or written.
        """
        if keep < 1:
            raise BadSetting("--keep", str(keep), "1 or more")
        place = Path(folder).expanduser().absolute()
        if place.resolve().is_relative_to(self._home.resolve()):
            raise BadArtefact(str(place), "it lies in the home that is backed up", "name a folder elsewhere")
        backup = BackupFolder(place)
        signing = self._guard.keyring.signing
        now = self._clock()
        with backup.writing(), Session(self._engine, self._layout, self._clock) as session:
            name = _name_after(backup.names(), now)
            draft = backup.states / f".{name}.part"
            try:
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir(mode=0o700)
                # before the rows: a head that was seen is then never greater than the database's
                files = self._small_files(draft, secrets=secrets)
                rows, versions, sealed, revision = self._rows(draft, session)
                files[DATABASE] = sha256_of(draft / DATABASE)
                new = self._bring(rows, backup, session, progress, reread=reread)
                write_private(draft / PUBLIC, signing.public)
                state = BackupState(
                    name=name,
                    created=now,
                    pumice=__version__,
                    revision=revision,
                    key=signing.id,
                    seal_keys=sealed,
                    secrets=any(path.startswith(SECRETS) for path in files),
                    versions=versions,
                    files=files,
                    packs=[BackedPack(row["id"], row["size"], row["digest"]) for row in rows],
                )
                data = encode_state(state)
                write_private(draft / STATE, data)
                write_private(draft / SIGNATURE, self._guard.signed(state_statement(name, data)))
                backup.enter(name, draft)
            except OSError as error:
                raise StorageFailed(str(draft), error.strerror or str(error)) from error
            backup.read(name)
            gone = backup.keep(keep)
        return BackedUp(
            state=name,
            versions=versions,
            packs=len(rows),
            bytes=state.size,
            copied=new,
            removed=gone,
            states=len(backup.names()),
            key=signing.id,
            secrets=state.secrets,
            seal_keys=sealed,
        )

    def _small_files(self, draft: Path, *, secrets: bool) -> dict[str, str]:
        """Copy the small files of the home; their digests by their paths in the state."""
        wanted = {path: f"{HEADS}/{path.name}" for path in sorted(self._layout.heads.glob("*.json"))}
        wanted |= {path: f"{AUDIT}/{path.name}" for path in sorted(self._home.glob(_AUDITS))}
        wanted[self._home / TRUST] = TRUST
        if secrets:
            wanted |= {self._home / path: f"{SECRETS}/{path}" for path in SECRET_FILES}
        return {path: copied(file, draft / path) for file, path in wanted.items() if file.is_file()}

    def _rows(self, draft: Path, session: Session) -> tuple[list[PackRow], int, list[str], str]:
        """Copy the rows of one moment, and keep the packs that they name from the collector."""
        file = draft / DATABASE
        for _ in range(_TRIES):
            self._pin(session, set())
            for left in draft.glob(f"{DATABASE}*"):
                left.unlink()
            write_private(file, b"")
            copy = sqlite_engine(file)
            try:
                with transaction(copy) as target:
                    revision = migrate(target)
                    with transaction(self._reader) as source:
                        copy_rows(source, target)
                with transaction(copy.execution_options(**READS)) as connection:
                    rows = packs.every(connection)
                    versions = connection.execute(select(func.count()).select_from(store_versions)).scalar_one()
                    sealed = sorted({row["key_id"] for row in seals.every(connection)})
            finally:
                copy.dispose()
            if self._pin(session, {row["id"] for row in rows}):
                return rows, versions, sealed, revision
        raise StorageFailed("the store's database", f"it was collected {_TRIES} times while it was copied")

    def _pin(self, session: Session, wanted: set[str]) -> bool:
        """Rely on all packs that there are; whether some are among them."""
        with transaction(self._engine) as connection:
            packs.lock(connection)
            session.renew(connection)
            there = {row["id"] for row in packs.every(connection)}
            session.pin(connection, there)
        return wanted <= there

    def _bring(
        self, rows: list[PackRow], backup: BackupFolder, session: Session, progress: Progress, *, reread: bool
    ) -> int:
        """Copy the packs that are not there; how many bytes they have."""
        total, done, new = sum(row["size"] for row in rows), 0, 0
        damaged: list[Tampered] = []

        def told(count: int) -> None:
            nonlocal done
            done += count
            session.touch()
            progress(min(done, total), total)

        for row in rows:
            before = done
            there = has_pack(row, backup.layout) and (not reread or is_whole(row, backup.layout, told))
            if not there:
                new += row["size"]
                try:
                    bring_pack(row, self._layout, backup.scratch, backup.layout, told)
                except Tampered as error:
                    damaged.append(error)
            done = before
            told(row["size"])
        if damaged:
            first = damaged[0]
            mend = "`pumice models verify` names the versions that it hits, and the mend"
            raise Tampered(first.what, f"{first.problem} ({len(damaged)} such packs, which no backup here has)", mend)
        return new


def _name_after(names: list[str], now: float) -> str:
    """The name of the next state: its number, since clocks are set back at times, and the time for people."""
    number = int(names[-1].partition(".")[0]) + 1 if names else 1
    return f"{number:06d}.{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H-%M-%SZ}"


def check_backup(folder: str | Path, progress: Progress = lambda _done, _total: None) -> BackupChecked:
    """Hold every byte of a folder of backups against digests and signatures.

    Args:
        folder: The folder.
        progress: Told how many bytes of packs are read.

    Raises:
        BadArtefact: It is no backup.
        StorageFailed: It cannot be read.
    """
    backup = BackupFolder(Path(folder).expanduser())
    problems: list[str] = []
    wanted: dict[str, PackRow] = {}
    names = backup.names()
    keys: set[str] = set()
    for name in names:
        try:
            state = backup.read(name)
        except (Tampered, MalformedInput, BadArtefact) as error:
            problems.append(error.message)
            continue
        keys.add(state.key)
        for pack in state.packs:
            wanted[pack.id] = PackRow(id=pack.id, size=pack.size, digest=pack.digest, created=0.0)
    total, done = sum(row["size"] for row in wanted.values()), 0
    for row in wanted.values():
        if not is_whole(row, backup.layout):
            problems.append(f"pack {row['id']}: it has changed or is not there; `pumice models backup --reread` mends")
        done += row["size"]
        progress(done, total)
    return BackupChecked(states=names, packs=len(wanted), bytes=total, keys=sorted(keys), problems=problems)
