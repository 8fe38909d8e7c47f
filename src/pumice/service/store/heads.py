"""Heads of names: signed anew with every change, and held against what was seen before."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from sqlalchemy import Connection, Engine

from pumice.db import packs, signatures, versions
from pumice.domain.errors import MalformedInput, StorageFailed, Tampered, Untrusted
from pumice.domain.trust.bundles import decode_bundle, encode_bundle
from pumice.domain.trust.heads import (
    RESIGN,
    Head,
    Journal,
    check_seen,
    check_state,
    check_time,
    follow,
    head_statement,
    read_head,
)
from pumice.domain.trust.policy import Policy, Signer, check_signer
from pumice.domain.trust.statements import decode_statement, encode_statement
from pumice.store.sessions import transaction
from pumice.store.signing.keyring import Keyring
from pumice.store.witness import Witness

_log = logging.getLogger("pumice.store")


class Heads:
    """Signs the state of names, and notices when one goes back.

    Args:
        keyring: The keys of the home.
        witness: What was seen here.
        policy: What happens to a head that no trusted key signed.
        max_age: Oldest head that is taken (s); 0: any.
        shared: Whether other homes use the same database, so that a head may be new to this one.
    """

    def __init__(self, keyring: Keyring, witness: Witness, policy: Policy, *, max_age: float, shared: bool) -> None:
        self.witness = witness
        self._keyring = keyring
        self._policy = policy
        self._max_age = max_age
        self._shared = shared

    @contextlib.contextmanager
    def changing(self, engine: Engine, model: str, now: float) -> Iterator[Connection]:
        """A transaction in which a name changes: it is held against its head before, and signed after.

        Args:
            engine: The database.
            model: The name.
            now: The time (s since 1970).

        Raises:
            Tampered: The name is not as it was signed.
            Untrusted: No trusted key signed its head, and the policy is ``require``.
            StorageFailed: The database could not be read or written.
        """
        self._keyring.signing  # noqa: B018 - made and read before others have to wait for the transaction
        with transaction(engine) as connection:
            packs.lock(connection)
            before = None if self._policy == "off" else self._checked(connection, model, now)
            yield connection
            body = self.advance(connection, model, now, before)
        if body is not None:
            self._remember(model, body)

    def renew(self, engine: Engine, model: str, now: float) -> None:
        """Sign what a name is now, whatever was signed before.

        Raises:
            StorageFailed: The database could not be read or written.
        """
        with transaction(engine) as connection:
            packs.lock(connection)
            body = self.advance(connection, model, now, None)
        if body is not None:
            self._remember(model, body, anyway=True)

    def advance(self, connection: Connection, model: str, now: float, before: Head | None) -> bytes | None:
        """Sign what a name is now, unless nothing has changed.

        Args:
            connection: The transaction.
            model: The name.
            now: The time (s since 1970).
            before: The head before, if it was checked; None: begin anew, above everything that was seen.

        Returns:
            The new head; None: nothing has changed.
        """
        journal = before.journal if before else Journal()
        state = Head(
            model=model,
            counter=1 + (before.counter if before else self._greatest(connection, model)),
            time=float(now),
            versions={str(number): digest for number, digest in versions.digests(connection, model).items()},
            aliases=versions.aliases(connection, model),
            journal=follow(journal, versions.lines_after(connection, model, journal.last)),
        )
        if before is not None and state.same_state(before):
            return None
        body = encode_bundle(self._keyring.signing.sign(encode_statement(head_statement(state))))
        signatures.put_head(connection, model, state.counter, body)
        return body

    def check(
        self, connection: Connection, model: str, now: float, *, whole: bool = False
    ) -> tuple[Head, Signer] | None:
        """Hold a name against its head, and the head against the greatest that was seen.

        What was seen is read before the database is: what another process signs and remembers in between would
        otherwise look like a state that this transaction, which began before, has gone back from.

        Args:
            connection: The database; in a transaction that has read nothing yet, or in which nobody else can write.
            model: The name.
            now: The time (s since 1970).
            whole: Read the journal from its first line.

        Returns:
            The head and who signed it; None if the name comes from before there were heads.

        Raises:
            Tampered: It is not as it was signed, or older than what was seen.
            Untrusted: No trusted key signed the head, or it is too old.
        """
        known = self.witness.read(model)
        body = signatures.head(connection, model)
        if body is None:
            if self._seen(model, known) is not None:
                raise Tampered(f"head of '{model}'", "it was seen here and is gone", RESIGN)
            return None
        head, signer = self._read(body, model)
        seen = self._seen(model, known)
        check_seen(head, seen)
        if seen is None and head.counter > 1 and not self._shared and self.witness.read(model) is None:
            raise Tampered(str(self.witness.file(model)), "the file with what was seen here is gone", RESIGN)
        check_time(head, now, self._max_age)
        start = Journal() if whole else head.journal
        journal = follow(start, versions.lines_after(connection, model, start.last))
        check_state(head, versions.digests(connection, model), versions.aliases(connection, model), journal)
        if seen is None or head.counter > seen.counter:
            self._remember(model, body)
        return head, signer

    def _checked(self, connection: Connection, model: str, now: float) -> Head | None:
        try:
            found = self.check(connection, model, now)
        except Untrusted as error:
            if self._policy == "require":
                raise
            _log.warning("a name is changed though no trusted key signed its head: %s", error.message)
            return None
        return found[0] if found else None

    def _read(self, body: bytes, model: str) -> tuple[Head, Signer]:
        what = f"head of '{model}'"
        try:
            bundle = decode_bundle(body, what)
            if encode_bundle(bundle) != body:
                raise Tampered(what, "it is not in the form that heads have")
            signer = self._keyring.signer(bundle, what)
            head = read_head(decode_statement(bundle.payload, what), bundle.payload, model)
        except MalformedInput as error:
            raise Tampered(what, error.problem) from None
        own = self._keyring.own
        check_signer(signer, model, self._keyring.trusted(), own.id if own else "")
        return head, signer

    def _seen(self, model: str, body: bytes | None) -> Head | None:
        """The greatest head that was seen, unless its key was revoked since."""
        if body is None:
            return None
        try:
            return self._read(body, model)[0]
        except Untrusted as error:
            if error.revoked:
                return None
            raise Tampered(str(self.witness.file(model)), error.problem, RESIGN) from None

    def _greatest(self, connection: Connection, model: str) -> int:
        """The greatest counter that a trusted key ever signed, as far as it can be read."""
        found = 0
        for body in (signatures.head(connection, model), self.witness.read(model)):
            if body is not None:
                with contextlib.suppress(Tampered, Untrusted):
                    found = max(found, self._read(body, model)[0].counter)
        return found

    def _remember(self, model: str, body: bytes, *, anyway: bool = False) -> None:
        """Keep a head as seen, if it is the greatest. What is lost here is caught up with at the next look."""
        counter = self._read(body, model)[0].counter

        def newer(old: bytes | None) -> bool:
            if old is None or anyway:
                return True
            try:
                return self._read(old, model)[0].counter < counter
            except Untrusted as error:
                return error.revoked

        with contextlib.suppress(StorageFailed):
            self.witness.remember(model, body, newer)
