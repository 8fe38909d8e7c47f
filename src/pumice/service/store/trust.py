"""Signatures of stored versions: made at the push, and asked for before a version's bytes are used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from pumice.config import Settings
from pumice.db import signatures
from pumice.db.signatures import SignatureRow
from pumice.domain.errors import Tampered, Untrusted
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.names import Ref
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.told import SignatureLine
from pumice.domain.trust.bundles import decode_bundle, encode_bundle
from pumice.domain.trust.heads import Head, check_version
from pumice.domain.trust.policy import SIGN, Policy, Signer, check_signer
from pumice.domain.trust.statements import (
    FILES,
    SIGNATURE_FILE,
    Statement,
    check_files,
    decode_statement,
    encode_statement,
    files_statement,
    version_statement,
)
from pumice.domain.trust.trusted import TrustedVersion
from pumice.service.store.heads import Heads
from pumice.service.store.lookup import resolve
from pumice.store.layout import Layout
from pumice.store.sessions import transaction
from pumice.store.signing.keyring import Keyring
from pumice.store.witness import Witness

_log = logging.getLogger("pumice.store")


class Looked(NamedTuple):
    """A signed statement about a version.

    Attributes:
        line: Who signed it.
        row: How it was entered.
        statement: What is said.
    """

    line: SignatureLine
    row: SignatureRow
    statement: Statement


class Guard:
    """Signs versions, and says whether one may be used.

    Args:
        reader: The database, for reading.
        keyring: The keys of the home.
        heads: The signed state of names.
        policy: What happens to a version that no trusted key signed.
        clock: Seconds since 1970.
    """

    def __init__(
        self, reader: Engine, keyring: Keyring, heads: Heads, policy: Policy, clock: Callable[[], float]
    ) -> None:
        self.heads = heads
        self.keyring = keyring
        self.policy = policy
        self._reader = reader
        self._clock = clock

    @classmethod
    def of(cls, settings: Settings, reader: Engine, layout: Layout, clock: Callable[[], float]) -> Guard:
        """Make it by the settings."""
        keyring = Keyring(settings.home_path, settings.signing_key, settings.signing_certificate)
        heads = Heads(
            keyring,
            Witness(layout),
            settings.signatures,
            max_age=settings.head_max_age,
            shared=bool(settings.database),
        )
        return cls(reader, keyring, heads, settings.signatures, clock)

    def sign(self, connection: Connection, record: VersionRecord, manifest: VersionManifest) -> None:
        """Sign a version's files, and what ties name, parents and recipe to it, in the transaction that makes it exist.

        Raises:
            BadArtefact: The key cannot be read.
            StorageFailed: The key cannot be made.
        """
        for statement in (files_statement(record.model, manifest), version_statement(record, manifest)):
            self.enter(connection, record, self.signed(statement), statement.predicate_type)

    def sign_files(self, model: str, manifest: VersionManifest) -> bytes:
        """Sign a version's files, for whoever holds them.

        Raises:
            BadArtefact: The key cannot be read.
            StorageFailed: The key cannot be made.
        """
        return self.signed(files_statement(model, manifest))

    def enter(self, connection: Connection, record: VersionRecord, body: bytes, form: str) -> None:
        """Enter a signed statement about a version."""
        signatures.add(connection, (record.model, record.version), form, self._clock(), body)

    def admit(self, record: VersionRecord, manifest: VersionManifest) -> Signer | None:
        """Say who stands for a version, before its bytes are used.

        Args:
            record: The version as it was entered.
            manifest: Its manifest, held against the record's digest.

        Returns:
            The signer; None if nobody does, and the policy allows it.

        Raises:
            Tampered: A signature does not fit; never with the policy ``off``.
            Untrusted: No trusted key signed it, and the policy is ``require``.
            BadArtefact: A key, or the list of trusted keys, cannot be read.
        """
        if self.policy == "off":
            return None
        try:
            return self._admitted(record, manifest)
        except Untrusted as error:
            if self.policy == "require":
                raise
            _log.warning("a version is used though no trusted key signed it: %s", error.message)
            return None

    def seen(self, record: VersionRecord, manifest: VersionManifest) -> list[SignatureLine]:
        """Tell of every signature of a version.

        Raises:
            Tampered: One does not fit.
        """
        return [looked.line for looked in self.looked(record, manifest)]

    def looked(self, record: VersionRecord, manifest: VersionManifest) -> list[Looked]:
        """Read every signed statement of a version.

        Raises:
            Tampered: One does not fit.
        """
        version, rows = self._look(record, manifest)
        return [
            Looked(
                SignatureLine(
                    form=seen.form,
                    key=seen.signer.key if seen.signer else "",
                    name=seen.signer.name if seen.signer else "",
                    created=row.created,
                    problem=seen.problem,
                ),
                row,
                statement,
            )
            for seen, (row, statement) in zip(version.seen, rows, strict=True)
        ]

    def _admitted(self, record: VersionRecord, manifest: VersionManifest) -> Signer:
        doubt: Untrusted | None = None
        with transaction(self._reader) as connection:
            head: Head | None = None
            try:
                head = self.head(connection, record.model)
            except Untrusted as error:
                doubt = error  # what follows may show that bytes have changed, which weighs more
            # a version that was deleted meanwhile is not one that was tampered with
            resolve(connection, Ref(record.model, version=record.version))
            if head is not None:
                check_version(head, record.version, record.digest)
        try:
            signer = self.standing(record, manifest)
        except (Tampered, Untrusted):
            with transaction(self._reader) as connection:
                resolve(connection, Ref(record.model, version=record.version))
            raise
        if doubt is not None:
            raise doubt
        return signer

    def standing(self, record: VersionRecord, manifest: VersionManifest) -> Signer:
        """Who stands for a version, whatever the policy is.

        Raises:
            Tampered: A signature does not fit.
            Untrusted: No trusted key signed it.
        """
        return self._look(record, manifest)[0].signer()

    def head(self, connection: Connection, model: str, *, whole: bool = False) -> Head:
        """The head of a name, held against what is there and what was seen.

        Args:
            connection: The database.
            model: The name.
            whole: Read the journal from its first line.

        Raises:
            Tampered: The name is not as it was signed, or older than what was seen.
            Untrusted: No trusted key signed the head, or it is too old.
        """
        found = self.heads.check(connection, model, self._clock(), whole=whole)
        if found is None:
            raise Untrusted(f"head of '{model}'", "nobody signed it", SIGN)
        return found[0]

    def names(self, connection: Connection) -> set[str]:
        """Names that have a head, or had one when somebody looked here."""
        return {*signatures.heads(connection), *self.heads.witness.names()}

    def _look(
        self, record: VersionRecord, manifest: VersionManifest
    ) -> tuple[TrustedVersion, list[tuple[SignatureRow, Statement]]]:
        with transaction(self._reader) as connection:
            rows = signatures.of_version(connection, record.model, record.version)
            if not rows:
                resolve(connection, Ref(record.model, version=record.version))
        trusted = self.keyring.trusted()
        own = self.keyring.own

        def judge(signer: Signer) -> None:
            check_signer(signer, record.model, trusted, own.id if own else "")

        version = TrustedVersion(record, manifest, self.keyring.signer, judge)
        return version, [(row, version.add(row.digest, row.body)) for row in rows]

    def pulled(self, record: VersionRecord, manifest: VersionManifest) -> bytes | None:
        """Admit a version that is to be pulled, and hand out the signature that goes with its files.

        Raises:
            Tampered: A signature does not fit; never with the policy ``off``.
            Untrusted: No trusted key signed it, and the policy is ``require``.
        """
        self.admit(record, manifest)
        return None if self.policy == "off" else self._file_of(record, manifest)

    def _file_of(self, record: VersionRecord, manifest: VersionManifest) -> bytes | None:
        """The signature over a version's files that goes with them; one by a trusted key if there is any."""
        if any(file.path == SIGNATURE_FILE for file in manifest.files):
            return None  # it was stored as a file by a version of Pumice that knew no signatures
        version, rows = self._look(record, manifest)
        good = {seen.digest for seen in version.seen if not seen.problem}
        found = [row for row, statement in rows if statement.predicate_type == FILES]
        found.sort(key=lambda row: (row.digest in good, row.created))
        return found[-1].body if found else None

    def check_folder(self, model: str, body: bytes, files: dict[str, str], what: str) -> Signer | None:
        """Hold files against a signature that came with them.

        Args:
            model: Name under which the signer must be trusted.
            body: The bundle.
            files: Paths of the files with their SHA-256 in hex.
            what: What it is, for messages.

        Returns:
            Who signed them; None if that cannot be told, and the policy allows it.

        Raises:
            Tampered: The files are not those that were signed, or the signature does not fit.
            Untrusted: The key is not trusted for the model, and the policy is ``require``.
            MalformedInput: It is no signature that we read, and the policy is not ``off``.
        """
        if self.policy == "off":
            return None
        bundle = decode_bundle(body, what)
        check_files(decode_statement(bundle.payload, what), files, what)
        try:
            signer = self.keyring.signer(bundle, what)
            own = self.keyring.own
            check_signer(signer, model, self.keyring.trusted(), own.id if own else "")
        except Untrusted as error:
            if self.policy == "require":
                raise
            _log.warning("a signature is kept that no trusted key made: %s", error.message)
            return None
        return signer

    def signed(self, statement: Statement) -> bytes:
        """Sign a statement.

        Raises:
            BadArtefact: The key cannot be read.
            StorageFailed: The key cannot be made.
        """
        return encode_bundle(self.keyring.signing.sign(encode_statement(statement)))
