"""Verification of one version, or of the whole store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from pumice.db import packs, versions
from pumice.db.packs import PackRow
from pumice.domain.errors import MalformedInput, Tampered, Untrusted
from pumice.domain.store.manifest import StoredFile, VersionManifest
from pumice.domain.store.records import VersionRecord
from pumice.domain.trust.heads import Head, check_version
from pumice.domain.trust.policy import short
from pumice.service.store.certificates import checked, signed_certificates
from pumice.service.store.seals import Opened
from pumice.service.store.transfer import Transfer
from pumice.service.store.trust import Guard, Looked
from pumice.service.store.types import Progress, Verified
from pumice.store.layout import Layout
from pumice.store.packs import MEND, PackReader
from pumice.store.pulling import runs_of
from pumice.store.sessions import Session, transaction
from pumice.store.uploaded import changed_uploads
from pumice.store.verifying import Plain, damaged_chunks, extra_files, verify_file, verify_pack

UPLOADS = "uploads"
"""Folder in the home of what callers send to its servers."""

MEND_SEALED = "`pumice models repair --from` a backup; a push seals anew, so it does not mend"


class Check:
    """Looks at everything before it tells; one fault does not hide the next.

    Args:
        engine: The database.
        layout: The store's folder.
        transfer: Finds versions and reads their manifests.
        guard: Looks at signatures.
        progress: Told how far it is.
    """

    def __init__(self, engine: Engine, layout: Layout, transfer: Transfer, guard: Guard, progress: Progress) -> None:
        self._guard = guard
        self._signers: dict[str, str] = {}
        self._unsigned: list[str] = []
        self._heads: dict[str, Head] = {}
        self._engine = engine
        self._layout = layout
        self._transfer = transfer
        self._progress = progress
        self._problems: list[str] = []
        self._unopened: list[str] = []
        self._damaged: set[bytes] = set()
        self._files = self._done = self._total = self._certificates = 0

    def version(self, ref: str) -> Verified:
        """Read every byte of a version.

        Raises:
            VersionNotFound: There is no such version.
            StorageFailed: Something could not be read.
        """
        with self._transfer.session() as session, PackReader(self._layout, fresh=True) as reader:
            record = self._transfer.hold(session, ref)
            self._total = record.size
            with transaction(self._engine) as connection:
                self._look_at_head(connection, record.model)
            with self._noting(f"{record.model}@{record.version}"):
                manifest = self._transfer.manifest(session, reader, record)
                self._look_at_signatures(record, manifest)
                opened = self._open(record, manifest, session, reader)
                for file, plain in _with_plain(manifest, opened):
                    self._files += 1
                    with self._noting(f"{record.model}@{record.version}"):
                        verify_file(file, session, reader, self._count, plain)
        return self._verified(1, 0)

    def bytes_of(self, record: VersionRecord) -> list[str]:
        """Read every byte of a version, without a look at signatures.

        Returns:
            What has changed.

        Raises:
            StorageFailed: Something could not be read.
        """
        with self._transfer.session() as session, PackReader(self._layout) as reader:
            name = f"{record.model}@{record.version}"
            self._transfer.hold(session, name)
            with self._noting(name):
                manifest = self._transfer.manifest(session, reader, record)
                for file, plain in _with_plain(manifest, self._open(record, manifest, session, reader)):
                    verify_file(file, session, reader, self._count, plain)
        return self._problems

    def everything(self, *, read: bool = True) -> Verified:
        """Read every pack, look for every chunk of every version, and for files that do not belong there.

        Args:
            read: Read the packs; else the versions alone are looked at, whose packs were read just now.

        Raises:
            StorageFailed: Something could not be read.
        """
        # files before rows: what a push makes meanwhile is either not listed or known
        others = list(self._layout.others())
        files = self._layout.files()
        with self._transfer.session() as session, PackReader(self._layout, fresh=True) as reader:
            with transaction(self._engine) as connection:
                packs.lock(connection)
                rows = packs.every(connection)
                session.pin(connection, [row["id"] for row in rows])
                names = sorted(self._guard.names(connection).union(versions.names(connection)))
                for name in names:
                    self._look_at_head(connection, name)
                records = [record for name in names for record in versions.every(connection, name)]
            self._total = sum(row["size"] for row in rows) if read else 0
            for row in rows if read else ():
                session.touch()
                self._look_at_pack(row, reader)
            for record in records:
                before = len(self._problems)
                self._look_at_parts(record, session, reader)
                if len(self._problems) > before and self._is_gone(record):
                    del self._problems[before:]
        left, foreign = extra_files(self._layout, files, {row["id"] for row in rows})
        foreign += [path for path in others if not self._guard.heads.witness.owns(path, names)]
        self._problems += [f"{path}: it does not belong to the store; take it out" for path in foreign]
        self._problems += changed_uploads(self._layout.home / UPLOADS)
        return self._verified(len(records), len(left))

    def _look_at_pack(self, row: PackRow, reader: PackReader) -> None:
        with self._noting(""):
            try:
                verify_pack(row, self._layout, reader, self._count)
            except Tampered:
                with transaction(self._engine) as connection:
                    held = packs.chunks_of(connection, row["id"])
                self._damaged |= damaged_chunks(row["id"], held, reader)
                raise

    def _look_at_parts(self, record: VersionRecord, session: Session, reader: PackReader) -> None:
        name = f"{record.model}@{record.version}"
        with self._noting(name):
            manifest = self._transfer.manifest(session, reader, record)
            self._look_at_signatures(record, manifest)
            self._open(record, manifest, session, reader)
            used: set[str] = set()
            for file in manifest.stored:
                self._files += 1
                hit = False
                for run in runs_of(file, session, reader):
                    used.add(run.place.pack)
                    hit = hit or any(digest in self._damaged for digest, _ in run.chunks)
                if hit:
                    mend = MEND_SEALED if manifest.seal else MEND
                    self._problems.append(f"{name}: file {file.path!r} has damaged bytes; {mend}")
            self._look_at_rows(record, manifest, session, used)

    def _is_gone(self, record: VersionRecord) -> bool:
        """Whether a version was deleted since it was listed."""
        with transaction(self._engine) as connection:
            return versions.find(connection, record.model, record.version) is None

    def _look_at_rows(self, record: VersionRecord, manifest: VersionManifest, session: Session, used: set[str]) -> None:
        """Hold what the collector and the deletion go by against the manifest."""
        small = [record.digest, *(name for file in manifest.stored for name in file.lists)]
        used = used | {place.pack for place in session.find([bytes.fromhex(name) for name in small]).values()}
        with transaction(self._engine) as connection:
            known = set(packs.used_by(connection, record.model, record.version))
            parents = versions.parents(connection, record.model, record.version)
        name = "its rows"
        if used - known:
            raise Tampered(name, "the database does not know all packs that it needs, so they could be deleted")
        if sorted(parents) != sorted({(parent.model, parent.version) for parent in manifest.parents}):
            raise Tampered(name, "its parents in the database are not those of its manifest")

    def _look_at_head(self, connection: Connection, model: str) -> None:
        with self._noting(""), self._judging():
            self._heads[model] = self._guard.head(connection, model, whole=True)

    def _look_at_signatures(self, record: VersionRecord, manifest: VersionManifest) -> None:
        with self._noting(""), self._judging():
            if record.model in self._heads:
                check_version(self._heads[record.model], record.version, record.digest)
            signer = self._guard.standing(record, manifest)
            self._signers[f"{record.model}@{record.version}"] = f"{short(signer.key)} ({signer.name})"

        with self._noting(""):
            for one in signed_certificates(self._guard, record, manifest):
                self._look_at_certificate(one, record, manifest)

    def _look_at_certificate(self, one: Looked, record: VersionRecord, manifest: VersionManifest) -> None:
        """Compute a certificate again, whoever signed it: what does not follow from its evidence is wrong."""
        with self._noting(""), transaction(self._engine) as connection:
            checked(connection, one, record, manifest)
            self._certificates += 1

    @contextmanager
    def _judging(self) -> Iterator[None]:
        try:
            yield
        except Untrusted as error:
            self._unsigned.append(error.message)
            if self._guard.policy == "require":
                self._problems.append(error.message)

    def _open(
        self, record: VersionRecord, manifest: VersionManifest, session: Session, reader: PackReader
    ) -> Opened | None:
        """Unseal a version if its key is given; it is told if that shows that something has changed."""
        name = f"{record.model}@{record.version}"
        opened: Opened | None = None
        with self._noting(name):
            opened = self._transfer.seals.open_if_given(record, manifest, session, reader)
            if manifest.seal and opened is None:
                self._unopened.append(name)
        return opened

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (Tampered, MalformedInput) as error:
            self._problems.append(f"{what}: {error.message}" if what else error.message)

    def _count(self, count: int) -> None:
        self._done += count
        self._progress(min(self._done, self._total), self._total)

    def _verified(self, versions_seen: int, left: int) -> Verified:
        return Verified(
            versions=versions_seen,
            files=self._files,
            bytes=self._done,
            problems=self._problems,
            signers=self._signers,
            unsigned=self._unsigned,
            unopened=self._unopened,
            leftovers=left,
            certificates=self._certificates,
        )


def _with_plain(manifest: VersionManifest, opened: Opened | None) -> Iterator[tuple[StoredFile, Plain | None]]:
    """The files of a version, each with what it is unsealed with; of a sealed one its sealed manifest too."""
    if opened is None:
        yield from ((file, None) for file in manifest.stored)
        return
    for file, plain in zip(manifest.files, opened.inside.manifest.files, strict=True):
        yield file, Plain(plain, opened.cipher.of(file.path))
    for file in manifest.stored[len(manifest.files) :]:
        yield file, None
