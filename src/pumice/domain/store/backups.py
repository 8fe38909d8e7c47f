"""What a backup says of itself: one state of a store, with the digests of all that belongs to it."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

import msgspec

from pumice.domain.errors import MalformedInput, Tampered
from pumice.domain.store.names import check_path
from pumice.domain.trust.statements import Statement, Subject

BACKUP = "urn:pumice:backup:v1"
"""Type of the predicate that signs a state."""

PACK_ID = re.compile(r"[0-9a-f-]{36}-[0-9]+")
"""What ids of packs look like; they are names of files too."""


class BackedPack(msgspec.Struct, frozen=True, array_like=True):
    """A pack of a state.

    Attributes:
        id: Its id.
        size: Its length (bytes).
        digest: Digest of its index of chunks, in hex.
    """

    id: str
    size: int
    digest: str


class BackupState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One state of a store and what else its home has.

    Attributes:
        form: The form of the backup.
        name: Name of the state, by which they are in order of time.
        created: When it was taken (s since 1970).
        pumice: Version of Pumice that wrote it.
        revision: Revision of the database's schema.
        key: Id of the key that the home signs with.
        seal_keys: Ids of the keys that unseal its sealed versions; never part of a backup.
        secrets: Whether the home's private key and its secret for webhooks are in it.
        versions: How many versions it has.
        files: SHA-256 of each of its files, in hex, by its path in the state's folder.
        packs: The packs of its versions.
    """

    form: Literal[1] = 1
    name: str
    created: float
    pumice: str
    revision: str
    key: str
    seal_keys: list[str]
    secrets: bool
    versions: int
    files: dict[str, str]
    packs: list[BackedPack]

    @property
    def size(self) -> int:
        """Bytes of its packs."""
        return sum(pack.size for pack in self.packs)


def encode_state(state: BackupState) -> bytes:
    """Write a state in its one form."""
    return msgspec.json.encode(state, order="sorted")


def decode_state(data: bytes, what: str) -> BackupState:
    """Read a state.

    Raises:
        MalformedInput: It is none.
    """
    try:
        state = msgspec.json.decode(data, type=BackupState)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput(what, f"it is no state of a backup: {error}") from None
    for path in state.files:
        check_path(path)
    for pack in state.packs:
        if not PACK_ID.fullmatch(pack.id):
            raise MalformedInput(what, f"{pack.id!r} is no id of a pack")
    return state


def state_statement(name: str, data: bytes) -> Statement:
    """What is signed of a state: its name, and the SHA-256 of what it says."""
    digest = hashlib.sha256(data).hexdigest()
    return Statement(subject=[Subject(name, {"sha256": digest})], predicate_type=BACKUP, predicate={})


def check_state(statement: Statement, name: str, data: bytes, what: str) -> None:
    """Hold a state against what was signed of it.

    Raises:
        Tampered: It is another one.
    """
    if statement != state_statement(name, data):
        raise Tampered(what, "it is not what was signed", "take another state, or another copy of the backup")
