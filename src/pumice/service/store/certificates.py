"""Certificates of stored versions: signed once, and computed again whenever somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from sqlalchemy import Connection, Engine

from pumice.db import versions
from pumice.db.engine import READS
from pumice.domain.errors import MalformedInput, Tampered, VersionNotFound
from pumice.domain.evidence.certificate import CERTIFICATE, Certificate, read_certificate
from pumice.domain.evidence.certified import check_certificate, check_origin
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.names import Ref
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.told import CertificateLine
from pumice.domain.trust.statements import Statement, version_subject
from pumice.service.store.lookup import known, resolve
from pumice.service.store.trust import Guard, Looked
from pumice.store.sessions import transaction

Look = Callable[[str], tuple[VersionRecord, VersionManifest]]


class Certificates:
    """Signs what was proven of versions.

    Args:
        engine: The database.
        look: Resolves a reference and reads the manifest.
        guard: Signs it.
    """

    def __init__(self, engine: Engine, look: Look, guard: Guard) -> None:
        self._engine = engine
        self._look = look
        self._guard = guard

    def add(self, ref: str, certificate: Certificate) -> bool:
        """Sign a certificate of a version, unless one is there that says the same.

        Args:
            ref: The version.
            certificate: What was proven of it; it is computed again before.

        Returns:
            Whether it was added.

        Raises:
            VersionNotFound: There is no such version, or its base is not there.
            Tampered: The certificate does not follow from its evidence, or is about another version.
            Untrusted: The version itself is not trusted, and the policy is ``require``.
        """
        record, manifest = self._look(ref)
        self._guard.admit(record, manifest)
        base = certificate.base
        with transaction(self._engine) as connection:
            resolve(connection, Ref(base.model, version=base.version))
            _check(connection, certificate, record, manifest, f"{record.model}@{record.version}, certificate")
        if any(_same(certificate, one) for one in self._readable(record, manifest)):
            return False
        said = Statement(
            subject=[version_subject(record)],
            predicate_type=CERTIFICATE,
            predicate=msgspec.to_builtins(certificate),
        )
        body = self._guard.signed(said)
        with transaction(self._engine) as connection:
            if versions.find(connection, record.model, record.version) != record:
                raise VersionNotFound(ref, known(connection, record.model))
            self._guard.enter(connection, record, body, CERTIFICATE)
        return True

    def of(self, ref: str) -> list[Certificate]:
        """Certificates of a version by keys that are trusted, the oldest first, each computed again.

        Raises:
            VersionNotFound: There is no such version.
            Tampered: A certificate, a manifest or a signature has changed.
        """
        record, manifest = self._look(ref)
        looked = [one for one in signed_certificates(self._guard, record, manifest) if not one.line.problem]
        with transaction(self._engine.execution_options(**READS)) as connection:
            return [checked(connection, one, record, manifest) for one in looked]

    def _readable(self, record: VersionRecord, manifest: VersionManifest) -> Iterator[Certificate]:
        for one in signed_certificates(self._guard, record, manifest):
            if not one.line.problem:
                yield read_certificate(one.statement.predicate, _name(one, record))


def signed_certificates(guard: Guard, record: VersionRecord, manifest: VersionManifest) -> list[Looked]:
    """Every certificate of a version, whoever signed it, unread.

    Raises:
        Tampered: A signature does not fit.
    """
    return [one for one in guard.looked(record, manifest) if one.statement.predicate_type == CERTIFICATE]


def checked(connection: Connection, looked: Looked, record: VersionRecord, manifest: VersionManifest) -> Certificate:
    """Read a certificate and compute it again.

    Raises:
        Tampered: It is none, or does not follow from its evidence, or is about other versions than those stored.
    """
    what = _name(looked, record)
    try:
        certificate = read_certificate(looked.statement.predicate, what)
    except MalformedInput as error:
        raise Tampered(what, error.problem, "do not rely on it; certify the version again") from None
    _check(connection, certificate, record, manifest, what)
    return certificate


def line(connection: Connection, looked: Looked, record: VersionRecord, manifest: VersionManifest) -> CertificateLine:
    """Tell of a certificate; one that does not stand is told with the reason."""
    told = CertificateLine(
        key=looked.line.key, name=looked.line.name, created=looked.row.created, problem=looked.line.problem
    )
    try:
        certificate = checked(connection, looked, record, manifest)
    except Tampered as error:
        return msgspec.structs.replace(told, problem=error.message)
    whole = certificate.claims[0]
    return msgspec.structs.replace(
        told,
        verdict=certificate.verdict,
        base=f"{certificate.base.model}@{certificate.base.version}",
        metric=certificate.metric,
        max_drop=certificate.max_drop,
        confidence=certificate.confidence,
        n=whole.evidence[0].n,
        labelled=certificate.data.labelled,
        interval=whole.interval,
    )


def _check(
    connection: Connection, certificate: Certificate, record: VersionRecord, manifest: VersionManifest, what: str
) -> None:
    """Hold a certificate against its own evidence, and against what is stored; a base may have been deleted since."""
    check_certificate(certificate, record.digest, what)
    check_origin(certificate, manifest, what)
    base = certificate.base
    found = versions.find(connection, base.model, base.version)
    if found is not None and found.digest != base.digest:
        problem = f"its base '{base.model}@{base.version}' has another digest than when it was certified"
        raise Tampered(what, problem, "do not rely on it; certify the version again")


def _same(first: Certificate, second: Certificate) -> bool:
    """Whether two certificates say the same of quality; when they were made and what was timed is left aside."""
    blank = {"created": "", "pumice": "", "machine": {}, "latency": []}
    return msgspec.structs.replace(first, **blank) == msgspec.structs.replace(second, **blank)


def _name(looked: Looked, record: VersionRecord) -> str:
    return f"{record.model}@{record.version}, certificate {looked.row.digest[:12]}"
