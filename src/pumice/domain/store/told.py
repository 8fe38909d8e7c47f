"""What the store's operations tell, the same for commands, HTTP and Python code."""

from __future__ import annotations

from typing import Any

import msgspec

from pumice.domain.evidence.verdict import Verdict
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.records import ModelSummary, Move, VersionRecord


class SignatureLine(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement about a version.

    Attributes:
        form: Type of what is said: the files, the version, or something else.
        key: Id of the key; empty: it is not known here.
        name: Whose key it is.
        created: When it was entered (s since 1970).
        problem: Why it is not trusted; empty: it is.
    """

    form: str
    key: str
    name: str
    created: float
    problem: str


class CertificateLine(msgspec.Struct, frozen=True, kw_only=True):
    """What is certified of a version.

    Attributes:
        key: Id of the key that signed it; empty: it is not known here.
        name: Whose key it is.
        created: When it was entered (s since 1970).
        problem: Why it counts for nothing; empty: it stands. It may then say nothing else.
        verdict: Whether the loss of quality is proven to be below the margin.
        base: The version that it was held against.
        metric: What the quality is.
        max_drop: The margin (a part of 1).
        confidence: Level at which the verdict holds.
        n: Examples that were seen.
        labelled: Whether they had true answers.
        interval: Where the loss lies (without labels the rate of disagreement, which bounds it).
    """

    key: str
    name: str
    created: float
    problem: str
    verdict: Verdict = Verdict.NOT_YET
    base: str = ""
    metric: str = ""
    max_drop: float = 0.0
    confidence: float = 0.0
    n: int = 0
    labelled: bool = False
    interval: tuple[float, float] = (0.0, 0.0)


class ServedAt(msgspec.Struct, frozen=True, kw_only=True):
    """A process that has a version in memory.

    Attributes:
        name: Name under which it serves it.
        place: The process and its machine.
        since: Since when (s since 1970).
    """

    name: str
    place: str
    since: float


class SignedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement about a version, with its bytes.

    Attributes:
        form: Type of the predicate.
        digest: SHA-256 of the bundle, in hex.
        bundle: The Sigstore bundle (version 0.3, JSON) with the statement in a DSSE envelope.
        line: Who signed it.
    """

    form: str
    digest: str
    bundle: bytes
    line: SignatureLine


class KeyLine(msgspec.Struct, frozen=True, kw_only=True):
    """A key that signs here, or is trusted here.

    Attributes:
        id: SHA-256 of the public key in PEM, in hex.
        name: Whose it is.
        models: Patterns of the models that it is trusted for.
        own: Whether this home signs with it.
        authority: Whether it is that of an authority, whose certificates are trusted.
        revoked: When it was revoked (s since 1970), or None.
        reason: Why.
        public: The public key, or the authority's certificate, in PEM.
    """

    id: str
    name: str
    models: list[str]
    own: bool
    authority: bool
    revoked: float | None
    reason: str
    public: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a version.

    Attributes:
        record: How it was entered.
        aliases: Aliases that point to it now.
        manifest: What its digest stands for; of a sealed version what everybody may read, unless it was unsealed.
        children: Versions that were made from it.
        history: The last lines of the model's journal, the newest first.
        signed: Who signed what of it.
        served: Where it is served now, or kept in memory to be.
        sealed: Id of the key that its data key is wrapped with; empty: it is not sealed.
        certificates: What is certified of it, the oldest first.
    """

    record: VersionRecord
    aliases: list[str]
    manifest: VersionManifest
    children: list[str]
    history: list[Move]
    signed: list[SignatureLine]
    served: list[ServedAt]
    sealed: str = ""
    certificates: list[CertificateLine] = msgspec.field(default_factory=list)


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version comes from.

    Attributes:
        ref: The version.
        digest: Digest of its manifest, in hex.
        recipe: How it was made from its parents.
        parents: The versions that it was made from, with theirs. One that was told before has none here.
        children: Versions that were made from it; of the version that was asked for alone.
    """

    ref: str
    digest: str
    recipe: dict[str, Any]
    parents: list[Lineage]
    children: list[str]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found.

    Attributes:
        versions: Versions that were looked at.
        files: Files of them.
        bytes: Bytes that were read and hashed.
        problems: What has changed, each with its reason; empty: nothing.
        signers: Who stands for each version that a trusted key signed: id of the key, and whose it is.
        unsigned: Versions that no trusted key signed, each with its reason; problems too if the policy is ``require``.
        unopened: Sealed versions of which the sealed bytes alone were looked at, because their key is not given.
        leftovers: Files of pushes that did not come to their end; no version uses them.
        certificates: Certificates that were computed again and stand.
    """

    versions: int
    files: int
    bytes: int
    problems: list[str]
    signers: dict[str, str]
    unsigned: list[str]
    unopened: list[str]
    leftovers: int
    certificates: int = 0


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection took, or would take.

    Attributes:
        packs: Packs that no version needs.
        rewritten: Packs that were written anew without what no version needs.
        leftovers: Files of pushes that did not come to their end.
        bytes: Bytes that come back.
        kept: Bytes of the packs that stay, before they are written anew.
        dry_run: Whether everything was left as it is.
    """

    packs: int
    rewritten: int
    leftovers: int
    bytes: int
    kept: int
    dry_run: bool


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was given.

    Attributes:
        request: Id of the request; callers may choose it.
        at: When (s since 1970).
        name: Name of the model as it was served.
        version: Its version.
        source: What it was served from.
        ref: The stored version that it is; empty: it is not stored.
        digest: Digest of that version's manifest, in hex.
    """

    request: str
    at: float
    name: str
    version: str
    source: str
    ref: str
    digest: str


class AnsweredList(msgspec.Struct, frozen=True):
    """Answers to requests of one id, the last first."""

    answers: list[Answered]


class ModelList(msgspec.Struct, frozen=True):
    """Every model with its newest version, by name."""

    models: list[ModelSummary]


class VersionList(msgspec.Struct, frozen=True):
    """Every version of a model, the oldest first."""

    versions: list[VersionRecord]


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds now.

    Attributes:
        state: Name of the state that was added.
        versions: Versions that it has.
        packs: Packs that it has.
        bytes: Bytes of them.
        copied: Bytes of those that were not there before.
        removed: Packs that were taken away with older states.
        states: States that are there now.
        key: Id of the key that signed it.
        secrets: Whether private keys are in it.
        seal_keys: Ids of the keys that unseal its sealed versions; they are not in it.
    """

    state: str
    versions: int
    packs: int
    bytes: int
    copied: int
    removed: int
    states: int
    key: str
    secrets: bool
    seal_keys: list[str]


class BackupChecked(msgspec.Struct, frozen=True, kw_only=True):
    """What the verification of a backup found.

    Attributes:
        states: Its states, the oldest first.
        packs: Packs that they name.
        bytes: Bytes of them.
        keys: Ids of the keys that signed them.
        problems: What has changed; empty: nothing.
    """

    states: list[str]
    packs: int
    bytes: int
    keys: list[str]
    problems: list[str]


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored.

    Attributes:
        state: Name of the state.
        created: When it was taken (s since 1970).
        versions: Versions that it has.
        packs: Packs that were put back.
        bytes: Bytes of them.
        key: Id of the key that signed it.
        own: Whether the home signs with that key; else it only trusts it.
        secrets: Whether the home's secrets were put back.
        seal_keys: Ids of the keys that unseal its sealed versions; the setting ``seal_key`` has to give them.
        problems: What a look at every version found; empty: nothing.
    """

    state: str
    created: float
    versions: int
    packs: int
    bytes: int
    key: str
    own: bool
    secrets: bool
    seal_keys: list[str]
    problems: list[str]


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair did.

    Attributes:
        packs: Packs that had changed.
        mended: Those that were written anew, whole.
        chunks: Chunks that came from elsewhere.
        left: What could not be mended, each with its reason.
    """

    packs: int
    mended: int
    chunks: int
    left: list[str]


class Resealed(msgspec.Struct, frozen=True, kw_only=True):
    """A data key that was wrapped anew.

    Attributes:
        model: Name of the model.
        version: Number of the version.
        before: Id of the key that wrapped it before.
        after: Id of the key that wraps it now.
    """

    model: str
    version: int
    before: str
    after: str


class StatementList(msgspec.Struct, frozen=True):
    """Every signed statement about a version, the oldest first; the bundles in base64."""

    statements: list[SignedStatement]


class KeyLines(msgspec.Struct, frozen=True):
    """The key that signs here, and those that are trusted."""

    keys: list[KeyLine]


class SignedRefs(msgspec.Struct, frozen=True):
    """Versions that were signed."""

    signed: list[VersionRecord]


class ResealedList(msgspec.Struct, frozen=True):
    """Sealed versions whose key was wrapped with another."""

    resealed: list[Resealed]
