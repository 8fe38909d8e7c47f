"""Signed statements about versions: reading them, adding to them, and signing what was stored before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Engine

from pumice.db import signatures, versions
from pumice.db.engine import READS
from pumice.domain.errors import BadArtefact, BadSetting, Tampered, Untrusted, VersionNotFound
from pumice.domain.evidence.certificate import CERTIFICATE
from pumice.domain.store.names import check_model_name
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.told import SignedStatement
from pumice.domain.trust.bundles import decode_bundle
from pumice.domain.trust.policy import Signer
from pumice.domain.trust.statements import (
    FILES,
    PROVENANCE,
    SIGNATURE_FILE,
    Statement,
    decode_statement,
    version_subject,
)
from pumice.service.store.checking import Check
from pumice.service.store.lookup import known
from pumice.service.store.transfer import Transfer, take_signature
from pumice.service.store.trust import Guard
from pumice.store.layout import Layout
from pumice.store.sessions import transaction
from pumice.store.tree import files_of


class Statements:
    """What is signed of versions.

    Args:
        engine: The database.
        layout: The store's folder.
        transfer: Finds versions and reads their manifests.
        guard: Signs them.
        clock: Seconds since 1970.
    """

    def __init__(
        self, engine: Engine, layout: Layout, transfer: Transfer, guard: Guard, clock: Callable[[], float]
    ) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READS)
        self._layout = layout
        self._transfer = transfer
        self._guard = guard
        self._clock = clock

    def of(self, ref: str) -> list[SignedStatement]:
        """Every signed statement about a version, as Sigstore bundles, the oldest first.

        Raises:
            VersionNotFound: There is no such version.
            Tampered: A manifest or a signature has changed.
        """
        record, manifest = self._transfer.look(ref)
        lines = self._guard.seen(record, manifest)
        with transaction(self._reader) as connection:
            rows = signatures.of_version(connection, record.model, record.version)
        return [
            SignedStatement(form=line.form, digest=row.digest, bundle=row.body, line=line)
            for row, line in zip(rows, lines, strict=True)
        ]

    def folder(self, folder: str | Path, model: str = "") -> tuple[int, Signer | None]:
        """Hold a folder against the signature that lies in it, as `pull` and OpenSSF's tool write it.

        Args:
            folder: The folder.
            model: Name under which its signer must be trusted; that in the signature if left out.

        Returns:
            Number of its files, and who signed them; None if that cannot be told, and the policy allows it.

        Raises:
            BadArtefact: The folder cannot be read, a link leads out of it, or it has no signature.
            MalformedInput: The signature cannot be read.
            Tampered: The files are not those that were signed, or the signature does not fit.
            Untrusted: The key is not trusted for the model, and the policy is ``require``.
        """
        place = Path(folder).expanduser()
        try:
            files, body = take_signature(files_of(place))
            hashes = {file.path: _sha256(file.place) for file in files}
        except OSError as error:
            raise BadArtefact(str(place), f"it cannot be read: {error.strerror}", "give a model's folder") from None
        what = f"{place}, {SIGNATURE_FILE}"
        if not body:
            raise BadArtefact(str(place), f"it has no {SIGNATURE_FILE}", "give a folder that was signed")
        said = decode_statement(decode_bundle(body, what).payload, what).subject
        return len(files), self._guard.check_folder(model or said[0].name if said else model, body, hashes, what)

    def attest(self, ref: str, form: str, predicate: Mapping[str, object]) -> SignedStatement:
        """Sign a further statement about a version; certificates are `Store.certificates`'.

        Args:
            ref: The version.
            form: Type of the predicate, a URI.
            predicate: What is said, in values of JSON.

        Raises:
            VersionNotFound: There is no such version.
            Untrusted: The version itself is not trusted, and the policy is ``require``.
            BadSetting: The form is no URI, or one that the store writes itself.
        """
        if ":" not in form or form in {FILES, PROVENANCE, CERTIFICATE}:
            raise BadSetting("form", repr(form), "a URI of a predicate's form that the store does not write itself")
        record, manifest = self._transfer.look(ref)
        self._guard.admit(record, manifest)
        said = Statement(subject=[version_subject(record)], predicate_type=form, predicate=dict(predicate))
        body = self._guard.signed(said)
        with transaction(self._engine) as connection:
            if versions.find(connection, record.model, record.version) != record:
                raise VersionNotFound(ref, known(connection, record.model))
            self._guard.enter(connection, record, body, form)
        return next(one for one in self.of(ref) if one.bundle == body)

    def names(self) -> list[str]:
        """Names that have versions, or a head, or had one when somebody looked here."""
        with transaction(self._reader) as connection:
            return sorted(self._guard.names(connection).union(versions.names(connection)))

    def sign(self, name: str) -> list[VersionRecord]:
        """Sign every version of a name that no trusted key signed, and its head as it is now.

        Each of them is read whole and held against its digests before. What a head said before no longer counts: who
        calls this vouches for what is there.

        Returns:
            The versions that were signed.

        Raises:
            VersionNotFound: There is no such model.
            Tampered: A version has changed; nothing is signed.
        """
        with transaction(self._reader) as connection:
            records = versions.every(connection, check_model_name(name))
            if not records and signatures.head(connection, name) is None and name not in self._guard.names(connection):
                raise VersionNotFound(name, known(connection, name))
        unsigned = [record for record in records if not self._is_signed(record)]
        for record in unsigned:
            check = Check(self._engine, self._layout, self._transfer, self._guard, lambda _done, _total: None)
            for problem in check.bytes_of(record):
                raise Tampered(f"{record.model}@{record.version}", problem)
        for record in unsigned:
            _, manifest = self._transfer.look(f"{record.model}@{record.version}")
            with transaction(self._engine) as connection:
                self._guard.sign(connection, record, manifest)
        self._guard.heads.renew(self._engine, name, self._clock())
        return unsigned

    def _is_signed(self, record: VersionRecord) -> bool:
        try:
            self._guard.standing(record, self._transfer.look(f"{record.model}@{record.version}")[1])
        except Untrusted:
            return False
        return True


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
