"""Folders of backups.

pumice-backup.json              says that the folder is a backup
store/packs/ab/abcd….pack       packs, as in a home; each belongs to all states that name it
states/TIME/state.json          what a state says of itself, `pumice.domain.store.backups`
states/TIME/state.sig           the signature over that, a Sigstore bundle
states/TIME/database.sqlite     all rows, whatever database they come from
states/TIME/…                   heads that were seen, trust.json, the public key, the audit record, secrets if asked for
scratch/                        packs that are on their way; nobody relies on them
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from pumice.domain.errors import BadArtefact, MalformedInput, StorageFailed, Tampered
from pumice.domain.store.backups import BackupState, check_state, decode_state
from pumice.domain.trust.bundles import decode_bundle
from pumice.domain.trust.statements import decode_statement
from pumice.store.layout import Layout, sync_folder
from pumice.store.private_files import write_private
from pumice.store.signing.public import check_signature, id_of, read_public

MARK = "pumice-backup.json"
_MARKED = b'{"form": 1}\n'
STATE, SIGNATURE, DATABASE = "state.json", "state.sig", "database.sqlite"
PUBLIC, TRUST, HEADS, AUDIT, SECRETS = "signing.pub", "trust.json", "heads", "audit", "secrets"
_MOST_STATE = 256 * 1024 * 1024
_NAME = re.compile(r"\d{6,}\.[0-9TZ-]+")
_OTHER = "take another state, or another copy of the backup"


class BackupFolder:
    """A folder with backups of one store.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layout = Layout(path)
        self.scratch = Layout(path / "scratch")
        self.states = path / "states"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder if it is not there, and keep others from writing to it.

        Raises:
            BadArtefact: It has something else in it, or another backup is written there.
            StorageFailed: It cannot be made.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageFailed(str(self.path), error.strerror or str(error)) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BadArtefact(str(self.path), "another backup is written there", "wait for it") from None
            self._mark()
            yield
        finally:
            os.close(handle)

    def names(self) -> list[str]:
        """Names of its states, the oldest first.

        Raises:
            BadArtefact: It is no backup.
        """
        if not (self.path / MARK).is_file():
            raise BadArtefact(str(self.path), "it is no backup", "give the folder that `pumice models backup` wrote to")
        found = self.states.iterdir() if self.states.is_dir() else iter(())
        return sorted(path.name for path in found if _NAME.fullmatch(path.name) and (path / STATE).is_file())

    def read(self, name: str = "") -> BackupState:
        """Read a state, and hold every file of it against its digest and its signature; packs are not looked at.

        Args:
            name: The state; empty: the newest.

        Raises:
            BadArtefact: There is no such state.
            MalformedInput: It cannot be read.
            Tampered: Something of it has changed.
            StorageFailed: It cannot be read from the disk.
        """
        names = self.names()
        if not names or (name and name not in names):
            there = ", ".join(names) or "none"
            raise BadArtefact(str(self.path), f"it has no state {name!r}", f"its states are: {there}")
        folder = self.states / (name or names[-1])
        try:
            data = _read(folder / STATE)
            state = decode_state(data, str(folder / STATE))
            for path, digest in state.files.items():
                if sha256_of(folder / path) != digest:
                    raise Tampered(str(folder / path), "it has other bytes than were written")
            self._check_signature(state, folder, data)
        except FileNotFoundError as error:
            raise Tampered(str(folder), f"{error.filename} is not there", _OTHER) from None
        except OSError as error:
            raise StorageFailed(str(folder), error.strerror or str(error)) from error
        return state

    def _check_signature(self, state: BackupState, folder: Path, data: bytes) -> None:
        what = str(folder / SIGNATURE)
        key = read_public(_read(folder / PUBLIC), str(folder / PUBLIC))
        try:
            bundle = decode_bundle(_read(folder / SIGNATURE), what)
            check_signature(key, bundle.payload, bundle.signature, what)
            check_state(decode_statement(bundle.payload, what), state.name, data, what)
        except MalformedInput as error:
            raise Tampered(what, error.problem, _OTHER) from None
        if state.key != id_of(key) or state.name != folder.name:
            raise Tampered(str(folder / STATE), "it is of another key or of another state", _OTHER)

    def enter(self, name: str, files: Path) -> None:
        """Let a state that was written beside the others become one of them.

        Raises:
            OSError: It cannot be moved.
        """
        for folder in {path.parent for path in files.rglob("*")} | {files}:
            sync_folder(folder)
        files.rename(self.states / name)
        sync_folder(self.states)

    def keep(self, most: int) -> int:
        """Take away all states but the newest, and the packs that none of those names.

        Args:
            most: How many states stay.

        Returns:
            How many packs were taken away.

        Raises:
            StorageFailed: Something cannot be deleted.
        """
        names = self.names()
        try:
            for name in names[:-most]:
                gone = self.states / f".{name}.gone"
                (self.states / name).rename(gone)
            for left in self.states.glob(".*"):
                shutil.rmtree(left)
            shutil.rmtree(self.scratch.root.parent, ignore_errors=True)
            wanted = {
                self.layout.pack(pack.id)
                for name in names[-most:]
                for pack in decode_state(_read(self.states / name / STATE), name).packs
            }
            unneeded = [path for path in self.layout.files() if path not in wanted]
            for path in unneeded:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(str(self.path), error.strerror or str(error)) from error
        return len(unneeded)

    def _mark(self) -> None:
        mark = self.path / MARK
        try:
            if not mark.exists():
                if any(self.path.iterdir()):
                    mend = "name an empty folder, one that is not there, or one that backups were written to"
                    raise BadArtefact(str(self.path), "it has something else in it", mend)
                write_private(mark, _MARKED)
            self.states.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageFailed(str(self.path), error.strerror or str(error)) from error


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_MOST_STATE)


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
