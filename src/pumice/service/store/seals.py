"""Sealed versions: their data keys, drawn, wrapped, unwrapped and wrapped anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from sqlalchemy import Engine

from pumice.db import packs, seals, versions
from pumice.db.engine import READS
from pumice.db.seals import SealRow
from pumice.domain.errors import Tampered, WrongSealKey
from pumice.domain.model import Manifest
from pumice.domain.store.inside import Inside, decode_inside, encode_inside, sealed_manifest_of
from pumice.domain.store.manifest import Seal, StoredFile, VersionManifest
from pumice.domain.store.names import Ref, check_model_name
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.sealing import MANIFEST_PATH, Bound
from pumice.domain.store.told import Resealed
from pumice.service.store.aliases import Mover, Step, note
from pumice.service.store.heads import Heads
from pumice.store.ciphers import VersionCipher, new_key
from pumice.store.packs import PackReader
from pumice.store.pulling import Readable, read_sealed
from pumice.store.seal_keys import SealKeys
from pumice.store.seal_keys.base import SealKey
from pumice.store.sealing import SealedPush
from pumice.store.sessions import Session, transaction
from pumice.store.tree import SourceFile


@dataclass(frozen=True, slots=True)
class Reserved:
    """A number that is given already, and the key of the version that will have it.

    Attributes:
        cipher: Encrypts the version.
        row: Its wrapped key, for the database.
    """

    cipher: VersionCipher
    row: SealRow

    @property
    def number(self) -> int:
        """The version's number."""
        return self.cipher.bound.version


@dataclass(frozen=True, slots=True)
class Opened:
    """A sealed version, for whoever has the key.

    Attributes:
        cipher: Decrypts its files.
        inside: What was sealed besides them.
    """

    cipher: VersionCipher
    inside: Inside


class Seals:
    """The data keys of a store.

    Args:
        engine: The database.
        keys: Wrap data keys.
        heads: Signs the journal's new state.
        by: Who wraps keys anew, for the journal.
        clock: Seconds since 1970.
    """

    def __init__(self, engine: Engine, keys: SealKeys, heads: Heads, by: str, clock: Callable[[], float]) -> None:
        self._heads = heads
        self._by = by
        self._engine = engine
        self._reader = engine.execution_options(**READS)
        self._keys = keys
        self._clock = clock

    def reserve(self, model: str) -> Reserved:
        """Give a version that will be sealed its number, since its bytes are bound to it, and a key.

        A number whose push does not come to its end is not given again.

        Raises:
            BadSetting: There is no key to wrap with, or it cannot be used.
            KeyServiceFailed: The key's service failed.
            MissingDependency: A library that the key needs is not installed.
            StorageFailed: The database failed.
        """
        key = self._keys.first()
        key_id = key.id
        with transaction(self._engine) as connection:
            packs.lock(connection)
            bound = Bound(model, versions.next_number(connection, model))
        data_key = new_key()
        row = SealRow(
            model=model,
            version=bound.version,
            key_id=key_id,
            wrapped=key.wrap(data_key, bound),
            sealed=self._clock(),
        )
        return Reserved(VersionCipher(data_key, bound), row)

    def row(self, record: VersionRecord) -> SealRow | None:
        """The wrapped key of a version, or None."""
        with transaction(self._reader) as connection:
            return seals.find(connection, record.model, record.version)

    def open(
        self, record: VersionRecord, manifest: VersionManifest, session: Session, reader: PackReader
    ) -> Opened | None:
        """Unseal what was sealed of a version besides its files; None if it is not sealed.

        Args:
            record: The version.
            manifest: Its manifest, as everybody may read it.
            session: Holds the version.
            reader: Reads packs.

        Raises:
            Tampered: Its key or its sealed manifest has changed, or it was sealed as another version.
            WrongSealKey: Its key is none of the setting's.
            BadSetting: A key of the setting cannot be used.
            KeyServiceFailed: The key's service failed.
        """
        row = self._checked(record, manifest)
        if row is None:
            return None
        return self._open(row, manifest, session, reader)

    def open_if_given(
        self, record: VersionRecord, manifest: VersionManifest, session: Session, reader: PackReader
    ) -> Opened | None:
        """As `open`, but None also if the setting does not give the key."""
        row = self._checked(record, manifest)
        if row is None or self._keys.find(row["key_id"]) is None:
            return None
        return self._open(row, manifest, session, reader)

    def reseal(self, model: str = "", reason: str = "", by: str = "") -> list[Resealed]:
        """Wrap the data keys of sealed versions with the first key of the setting.

        No file is encrypted anew, and no digest changes. Each version is done in a transaction of its own, with a line
        in the journal; what is done stays done, and a second call goes on.

        Args:
            model: Name of a model; empty: all.
            reason: Why, for the journal.
            by: Who does it, for the journal; who opened the store if left out.

        Raises:
            BadSetting: There is no key to wrap with, or it cannot be used.
            KeyServiceFailed: The key's service failed.
            StorageFailed: The database failed.
            Tampered: A wrapped key has changed.
            WrongSealKey: The key of a version is none of the setting's; nothing was done.
        """
        key = self._keys.first()
        with transaction(self._reader) as connection:
            rows = seals.every(connection, check_model_name(model) if model else "")
        todo = [row for row in rows if row["key_id"] != key.id]
        for row in todo:
            self._key_of(row)
        return [done for row in todo if (done := self._reseal(row, key, Mover(by or self._by, 0.0, reason)))]

    def _reseal(self, row: SealRow, key: SealKey, mover: Mover) -> Resealed | None:
        bound = Bound(row["model"], row["version"])
        now = self._clock()
        wrapped = key.wrap(self._data_key(row), bound)
        after = SealRow(model=bound.model, version=bound.version, key_id=key.id, wrapped=wrapped, sealed=now)
        with self._heads.changing(self._engine, bound.model, now) as connection:
            if not seals.replace(connection, row, after):
                return None  # it was deleted, or somebody was faster
            note(connection, Step("reseal", bound.model, "", bound.version, None), Mover(mover.by, now, mover.reason))
        return Resealed(model=bound.model, version=bound.version, before=row["key_id"], after=key.id)

    def _checked(self, record: VersionRecord, manifest: VersionManifest) -> SealRow | None:
        """The wrapped key, after record, manifest and key were held against each other."""
        row = self.row(record)
        ref = str(Ref(record.model, record.version))
        if not manifest.seal:
            if row is not None:
                raise Tampered(ref, "it was sealed when it was pushed, and its manifest says that it is not")
            return None
        if manifest.seal.bound != Bound(record.model, record.version):
            raise Tampered(ref, "it was sealed as another version")
        if row is None:
            raise Tampered(ref, "its wrapped key is not there")
        return row

    def _open(self, row: SealRow, manifest: VersionManifest, session: Session, reader: PackReader) -> Opened:
        assert manifest.seal  # noqa: S101 - it was looked at
        bound = manifest.seal.bound
        cipher = VersionCipher(self._data_key(row), bound)
        sealed = Readable(sealed_manifest_of(manifest.seal), cipher.of(MANIFEST_PATH))
        data = read_sealed(sealed, session, reader)
        return Opened(cipher, decode_inside(data, manifest, str(Ref(bound.model, bound.version))))

    def _data_key(self, row: SealRow) -> bytes:
        found = self._key_of(row).unwrap(row["wrapped"], Bound(row["model"], row["version"]))
        if found is None:
            raise Tampered(f"the wrapped key of {row['model']}@{row['version']}", "it is not what was wrapped for it")
        return found

    def _key_of(self, row: SealRow) -> SealKey:
        found = self._keys.find(row["key_id"])
        if found is None:
            raise WrongSealKey(f"{row['model']}@{row['version']}", row["key_id"], self._keys.ids)
        return found


def add_sealed(
    push: SealedPush, files: list[SourceFile], draft: VersionManifest, sign: Callable[[VersionManifest], bytes]
) -> VersionManifest:
    """Store the files of a version sealed, and with them what is known of it.

    Args:
        push: Seals and stores.
        files: The files.
        draft: The manifest, without files.
        sign: Given the manifest of the plain files, makes the signature that is sealed with it.

    Returns:
        The manifest that everybody may read.

    Raises:
        BadArtefact: A file cannot be read.
        StorageFailed: Something could not be stored.
    """
    stored: list[StoredFile] = []
    plain: list[StoredFile] = []
    for file in files:
        sealed, seen = push.add_file(file)
        stored.append(sealed)
        plain.append(seen)
    manifest = msgspec.structs.replace(draft, files=plain)
    inside = Inside(manifest=manifest, signature=sign(manifest))
    return VersionManifest(
        spec=Manifest(format=draft.spec.format, task=draft.spec.task),
        files=stored,
        parents=draft.parents,
        seal=Seal.of(push.bound, push.add_manifest(encode_inside(inside))),
    )
