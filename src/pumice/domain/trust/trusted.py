"""The trusted set of a version: it grows by what was checked, and hands out nothing else.

In the manner of python-tuf's ``trusted_metadata_set``. What is given to it is not believed. Its rules:

1. A manifest has the digest that its record names, and the record says of size, files, format and task what the
   manifest says.
2. A signature's bytes have the digest under which they were entered.
3. A signature that can be checked fits what it signs. One by a key that is not known is put aside: it neither helps nor
   harms, but rules 4 to 6 hold for it too.
4. A statement of the files names exactly the files of the manifest, each with its SHA-256.
5. A statement of the version says exactly what record and manifest say: name, number, time, author, parents, recipe.
6. Any other statement is about this version: name, number and digest of the manifest.
7. The version is trusted if keys that are trusted for its name signed a statement of the version and one of its files.
   The latter alone says nothing of name, parents and recipe; the former alone would let the signature that goes with
   the files be changed into one by a key that nobody knows.

What breaks rules 1 to 6 is `Tampered`, whatever the policy is; what only lacks rule 7 is `Untrusted`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from pumice.domain.errors import MalformedInput, Tampered, Untrusted
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.records import VersionRecord
from pumice.domain.trust.bundles import Bundle, decode_bundle
from pumice.domain.trust.policy import SIGN, Signer
from pumice.domain.trust.statements import (
    FILES,
    PROVENANCE,
    Statement,
    check_files,
    decode_statement,
    encode_statement,
    version_statement,
    version_subject,
)

Identify = Callable[[Bundle, str], Signer]
"""Tells who signed a bundle, and checks the signature: raises `Tampered`, or `Untrusted` if the key is not known."""

Judge = Callable[[Signer], None]
"""Raises `Untrusted` if a signer may not sign this model."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that was looked at.

    Attributes:
        form: Type of its predicate.
        digest: SHA-256 of the bundle, in hex.
        signer: Who signed it; None: a key that is not known here.
        problem: Why it is not trusted; empty: it is.
    """

    form: str
    digest: str
    signer: Signer | None
    problem: str = ""


class TrustedVersion:
    """What is known for sure of a version.

    Args:
        record: The version as it was entered.
        manifest: Its manifest, held against the digest by who read it.
        identify: Checks signatures.
        judge: Says who may sign this model.

    Raises:
        Tampered: Record and manifest contradict each other.
    """

    def __init__(self, record: VersionRecord, manifest: VersionManifest, identify: Identify, judge: Judge) -> None:
        self.name = f"{record.model}@{record.version}"
        self._record = record
        self._manifest = manifest
        self._identify = identify
        self._judge = judge
        self._refused: list[Untrusted] = []
        self.seen: list[Seen] = []
        spec = manifest.spec
        said = (record.size, record.files, record.format, record.task)
        if said != (manifest.size, len(manifest.files), spec.format, spec.task):
            raise Tampered(self.name, "its record says another size, number of files, format or task than its manifest")

    def add(self, digest: str, body: bytes) -> Statement:
        """Look at a signed statement.

        Args:
            digest: SHA-256 of the bundle under which it was entered, in hex.
            body: The bundle.

        Raises:
            Tampered: It breaks a rule.
        """
        what = f"{self.name}, signature {digest[:12]}"
        if hashlib.sha256(body).hexdigest() != digest:
            raise Tampered(what, "its bytes have another SHA-256 than was entered")
        try:
            bundle = decode_bundle(body, what)
            signer, problem = self._who(bundle, what)
            statement = decode_statement(bundle.payload, what)
            self._fits(statement, bundle.payload, what)
        except MalformedInput as error:
            raise Tampered(what, error.problem) from None
        self.seen.append(Seen(form=statement.predicate_type, digest=digest, signer=signer, problem=problem))
        return statement

    def signer(self) -> Signer:
        """Who stands for the version.

        Raises:
            Untrusted: Nobody who may.
        """
        trusted = {seen.form: seen.signer for seen in self.seen if seen.signer is not None and not seen.problem}
        if FILES in trusted and PROVENANCE in trusted:
            return trusted[PROVENANCE]
        if self._refused:
            first = self._refused[0]
            raise Untrusted(self.name, first.problem, first.mend)
        raise Untrusted(self.name, "nobody signed it", SIGN)

    def _who(self, bundle: Bundle, what: str) -> tuple[Signer | None, str]:
        signer: Signer | None = None
        try:
            signer = self._identify(bundle, what)
            self._judge(signer)
        except Untrusted as error:
            self._refused.append(error)
            return signer, error.problem
        return signer, ""

    def _fits(self, statement: Statement, payload: bytes, what: str) -> None:
        if statement.predicate_type == FILES:
            check_files(statement, {file.path: file.sha256 for file in self._manifest.files}, what)
        elif statement.predicate_type == PROVENANCE:
            if payload != encode_statement(version_statement(self._record, self._manifest)):
                raise Tampered(what, "it says something else than record and manifest: name, time, parents or recipe")
        elif statement.subject != [version_subject(self._record)]:
            raise Tampered(what, "it is about something else than this version")
