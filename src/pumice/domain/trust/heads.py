"""The signed head of a name: which versions it has, and where its aliases point. It makes going back visible.

A head is an in-toto statement of its own type, signed like all others. Its counter grows by one with every change. Its
rules, beside those of the envelope:

1. Its subject is this name with the SHA-256 of its state, and its key is trusted for the name.
2. Its counter is not below the greatest that was seen here (rollback); with the same counter it is the same head. One
   that was seen, whose key has been revoked since, counts no longer: so who raised the counter without end
   (fast-forward) is undone by revoking the key.
3. If the settings bound its age, it is not older, and not from the future (freeze).
4. Versions and aliases of the database are exactly those of the head, and the journal is the one that it was made over
   (mix-and-match, and rows that were changed).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from pumice.domain.errors import Tampered, Untrusted
from pumice.domain.store.records import Move
from pumice.domain.trust.statements import Statement, Subject, encode_statement

HEAD = "urn:pumice:head:v1"
"""Type of the predicate."""

MOST_BYTES = 64 * 1024 * 1024
"""Largest head that is read (bytes)."""

MOST_COUNTER = 2**53
FUTURE_S = 300.0
"""How far the clock of a signer may be ahead (s)."""

RESIGN = "restore the home from a copy; if this state is right, make it so with `pumice models sign NAME`"


class Journal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a name's journal stands.

    Attributes:
        last: Place of its last line; 0: it has none.
        digest: SHA-256 over the digest before that line and the line, in hex; empty: it has none.
    """

    last: int = 0
    digest: str = ""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The state of a name.

    Attributes:
        model: The name.
        counter: Changes of the name, counted from 1.
        time: When it was signed (s since 1970).
        versions: Digests of the manifests, in hex, by the version's number.
        aliases: Numbers of versions by alias.
        journal: Where its journal stands.
    """

    model: str
    counter: int
    time: float
    versions: dict[str, str]
    aliases: dict[str, int]
    journal: Journal

    def same_state(self, other: Head) -> bool:
        """Whether nothing but counter and time differs."""
        return msgspec.structs.replace(self, counter=other.counter, time=other.time) == other


def follow(journal: Journal, lines: Iterable[Move]) -> Journal:
    """Carry a journal's digest on over further lines, in their order."""
    for line in lines:
        data = msgspec.json.encode(line, order="sorted")
        journal = Journal(line.id, hashlib.sha256(journal.digest.encode() + data).hexdigest())
    return journal


def head_statement(head: Head) -> Statement:
    """Write a head as a statement."""
    state = hashlib.sha256(msgspec.json.encode(head, order="sorted")).hexdigest()
    return Statement(
        subject=[Subject(head.model, {"sha256": state})], predicate_type=HEAD, predicate=msgspec.to_builtins(head)
    )


def read_head(statement: Statement, payload: bytes, model: str) -> Head:
    """Read a head from a statement whose signature was checked.

    Raises:
        Tampered: It is none, or of another name.
    """
    what = f"head of '{model}'"
    try:
        head = msgspec.convert(statement.predicate, Head)
    except msgspec.ValidationError as error:
        raise Tampered(what, f"it is no head: {error}") from None
    if encode_statement(head_statement(head)) != payload:
        raise Tampered(what, "it is not in the form that heads have")
    if head.model != model:
        raise Tampered(what, f"it is that of '{head.model}'")
    if not 0 < head.counter < MOST_COUNTER:
        raise Tampered(what, f"its counter {head.counter} is not possible")
    return head


def check_seen(head: Head, seen: Head | None) -> None:
    """Hold a head against the greatest that was seen here.

    Args:
        head: The head.
        seen: The greatest that was seen, if its key is still trusted.

    Raises:
        Tampered: It is an older state, or another one with the same counter.
    """
    what = f"head of '{head.model}'"
    if seen is None or head.counter > seen.counter:
        return
    if head.counter < seen.counter:
        raise Tampered(
            what, f"it is state {head.counter}, and state {seen.counter} was seen here: somebody went back", RESIGN
        )
    if head != seen:
        raise Tampered(what, f"there are two different states {head.counter}", RESIGN)


def check_time(head: Head, now: float, max_age: float) -> None:
    """Refuse an old head, and one from the future, which would never become old.

    Args:
        head: The head.
        now: The time (s since 1970).
        max_age: Oldest that is taken (s); 0: any.

    Raises:
        Tampered: It is from the future.
        Untrusted: It is too old.
    """
    what = f"head of '{head.model}'"
    if max_age and head.time > now + FUTURE_S:
        raise Tampered(what, f"it was signed {head.time - now:.0f} s after now: mend the clock", RESIGN)
    if max_age and now - head.time > max_age:
        raise Untrusted(
            what, f"it was signed {now - head.time:.0f} s ago, and `head_max_age` allows {max_age:.0f} s", RESIGN
        )


def check_state(head: Head, versions: Mapping[int, str], aliases: Mapping[str, int], journal: Journal) -> None:
    """Hold the database against a head.

    Args:
        head: The head.
        versions: Digests of manifests by the version's number.
        aliases: Numbers of versions by alias.
        journal: Where the journal stands, followed from its first line.

    Raises:
        Tampered: They differ.
    """
    what = f"head of '{head.model}'"
    found = {str(number): digest for number, digest in versions.items()}
    for number in sorted({*found, *head.versions}):
        if found.get(number) != head.versions.get(number):
            raise Tampered(what, f"version {number} is another one than was signed, is gone, or was put in", RESIGN)
    for alias in sorted({*aliases, *head.aliases}):
        if aliases.get(alias) != head.aliases.get(alias):
            raise Tampered(
                what,
                f"the alias '{alias}' points to {aliases.get(alias)}, signed is {head.aliases.get(alias)}",
                RESIGN,
            )
    if journal != head.journal:
        raise Tampered(what, "the journal is another one than it was signed over", RESIGN)


def check_version(head: Head, version: int, digest: str) -> None:
    """Hold one version against the head of its name.

    Raises:
        Tampered: It is not in the head, or under another digest.
    """
    if head.versions.get(str(version)) != digest:
        raise Tampered(
            f"{head.model}@{version}", "the signed head of its name does not have it under this digest", RESIGN
        )
