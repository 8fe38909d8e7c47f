"""Verification of one version, or of the whole store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from pumice.db import packs, versions
from pumice.domain.errors import MalformedInput, Tampered
from pumice.service.store.transfer import Transfer
from pumice.service.store.types import Progress, Verified
from pumice.store.layout import Layout
from pumice.store.packs import PackReader
from pumice.store.pulling import runs_of
from pumice.store.sessions import transaction
from pumice.store.verifying import extra_files, verify_file, verify_pack


class Check:
    """Looks at everything before it tells; one fault does not hide the next.

    Args:
        engine: The database.
        layout: The store's folder.
        transfer: Finds versions and reads their manifests.
        progress: Told how far it is.
    """

    def __init__(self, engine: Engine, layout: Layout, transfer: Transfer, progress: Progress) -> None:
        self._engine = engine
        self._layout = layout
        self._transfer = transfer
        self._progress = progress
        self._problems: list[str] = []
        self._files = self._done = self._total = 0

    def version(self, ref: str) -> Verified:
        """Read every byte of a version.

        Raises:
            VersionNotFound: There is no such version.
            StorageFailed: Something could not be read.
        """
        with self._transfer.session() as session, PackReader(self._layout) as reader:
            record = self._transfer.hold(session, ref)
            self._total = record.size
            with self._noting(f"{record.model}@{record.version}"):
                for file in self._transfer.manifest(session, reader, record).files:
                    self._files += 1
                    with self._noting(f"{record.model}@{record.version}"):
                        verify_file(file, session, reader, self._count)
        return self._verified(1, 0)

    def everything(self) -> Verified:
        """Read every pack, look for every chunk of every version, and for files that do not belong there.

        Raises:
            StorageFailed: Something could not be read.
        """
        # files before rows: what a push makes meanwhile is either not listed or known
        files = list(self._layout.files())
        with self._transfer.session() as session, PackReader(self._layout) as reader:
            with transaction(self._engine) as connection:
                packs.lock(connection)
                rows = packs.every(connection)
                session.pin(connection, [row["id"] for row in rows])
                names = [newest.model for _, newest in versions.models(connection)]
                records = [record for name in names for record in versions.every(connection, name)]
            self._total = sum(row["size"] for row in rows)
            for row in rows:
                session.touch()
                with self._noting(""):
                    verify_pack(row, self._layout, reader, self._count)
            for record in records:
                with self._noting(f"{record.model}@{record.version}"):
                    for file in self._transfer.manifest(session, reader, record).files:
                        self._files += 1
                        for _ in runs_of(file, session, reader):
                            pass
        left, foreign = extra_files(self._layout, files, {row["id"] for row in rows})
        self._problems += [f"{path}: it does not belong to the store; take it out" for path in foreign]
        return self._verified(len(records), len(left))

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
            versions=versions_seen, files=self._files, bytes=self._done, problems=self._problems, leftovers=left
        )
