"""What is signed: in-toto statements about a version, in one form.

Three kinds of them belong to the store:

* the **files**: OpenSSF model-signing's statement, which its public tool checks (predicate type `FILES`);
* the **version**: SLSA provenance that ties name, number, time and author, parents and recipe to the digest of the
  manifest (predicate type `PROVENANCE`);
* the **head** of a name: see `pumice.domain.trust.heads`.

Further ones are of any other predicate type, about the digest of a version's manifest. Certificates are such: see
`pumice.domain.evidence.certificate`.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from pumice.domain.errors import MalformedInput, Tampered
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.records import VersionRecord

STATEMENT = "https://in-toto.io/Statement/v1"
FILES = "https://model_signing/signature/v1.0"
PROVENANCE = "https://slsa.dev/provenance/v1"
PUSH = "urn:pumice:push:v1"
"""Build type of our provenance."""

SIGNATURE_FILE = "model.sig"
"""File of a model's folder with the signature over its files."""

GIT_PATHS = (".git", ".gitattributes", ".github", ".gitignore")
"""What model-signing's tool leaves out of every signature by default, in the folder's root."""

LEFT_OUT = (*GIT_PATHS, SIGNATURE_FILE)
"""What our signatures over files leave out."""


class Subject(msgspec.Struct, frozen=True):
    """What a statement is about: a name, and digests in hex by their algorithm."""

    name: str
    digest: dict[str, str]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An in-toto statement, version 1.

    Attributes:
        kind: Always `STATEMENT`.
        subject: What it is about.
        predicate_type: URI of the predicate's form.
        predicate: What is said.
    """

    kind: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(
        default="https://in-toto.io/Statement/v1", name="_type"
    )
    subject: list[Subject]
    predicate_type: str = msgspec.field(name="predicateType")
    predicate: dict[str, Any]


def encode_statement(statement: Statement) -> bytes:
    """Write a statement in its one form: JSON with its keys in order and no spaces, in UTF-8."""
    return msgspec.json.encode(statement, order="sorted")


def decode_statement(payload: bytes, what: str) -> Statement:
    """Read a statement whose signature was checked.

    Raises:
        MalformedInput: It is none.
    """
    try:
        return msgspec.json.decode(payload, type=Statement)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedInput(what, f"it holds no in-toto statement: {error}") from None


def files_statement(model: str, manifest: VersionManifest) -> Statement:
    """What model-signing says of a version's files.

    Git's own files and a signature in the root are left out, as its tool does it; the version's statement covers them.
    """
    signed = sorted(
        ((file.path, file.sha256) for file in manifest.files if not _ignored(file.path, LEFT_OUT)),
        key=lambda item: item[0].split("/"),
    )
    return Statement(
        subject=[Subject(model, {"sha256": _root([digest for _, digest in signed])})],
        predicate_type=FILES,
        predicate={
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(LEFT_OUT),
            },
            "resources": [{"name": path, "algorithm": "sha256", "digest": digest} for path, digest in signed],
        },
    )


def version_statement(record: VersionRecord, manifest: VersionManifest) -> Statement:
    """What ties a version's name, number, time, author, parents and recipe to the digest of its manifest."""
    return Statement(
        subject=[version_subject(record)],
        predicate_type=PROVENANCE,
        predicate={
            "buildDefinition": {
                "buildType": PUSH,
                "externalParameters": {"model": record.model, "version": record.version, "recipe": manifest.recipe},
                "internalParameters": {"created": float(record.created), "made_by": record.made_by},
                "resolvedDependencies": [
                    {"uri": f"urn:pumice:{parent.model}@{parent.version}", "digest": {"sha256": parent.digest}}
                    for parent in manifest.parents
                ],
            },
            "runDetails": {
                "builder": {"id": "urn:pumice", "version": manifest.environment},
                "metadata": {"finishedOn": datetime.fromtimestamp(record.created, UTC).isoformat()},
            },
        },
    )


def version_subject(record: VersionRecord) -> Subject:
    """A version as the subject of a statement: the digest is that of its manifest."""
    return Subject(f"{record.model}@{record.version}", {"sha256": record.digest})


class _Resource(msgspec.Struct, frozen=True):
    name: str
    algorithm: str
    digest: str


class _Serialization(msgspec.Struct, frozen=True):
    method: str
    hash_type: str = "sha256"
    ignore_paths: list[str] = msgspec.field(default_factory=list)


class _Signed(msgspec.Struct, frozen=True):
    resources: list[_Resource]
    serialization: _Serialization


def signed_files(statement: Statement, what: str) -> dict[str, str]:
    """The files that a statement of model-signing is about, with their SHA-256 in hex.

    Raises:
        MalformedInput: It is none, contradicts itself, or was made in a way that we do not check.
    """
    signed = _signed(statement, what)
    found = {resource.name: resource.digest for resource in signed.resources}
    root = _root_of(signed, what)
    if len(found) != len(signed.resources) or len(statement.subject) != 1:
        raise MalformedInput(what, "it names a file twice, or is about several models")
    if statement.subject[0].digest.get("sha256") != root:
        raise MalformedInput(what, "the digest of its subject is not that of its files")
    return found


def check_files(statement: Statement, files: dict[str, str], what: str) -> None:
    """Hold the files that are there against those that were signed.

    Args:
        statement: A statement of model-signing.
        files: What is there: paths with SHA-256 in hex.
        what: What it is, for messages.

    Raises:
        MalformedInput: It is no such statement, or of a kind that we do not check.
        Tampered: A file is missing, changed, or was not signed.
    """
    signed = signed_files(statement, what)
    ignored = (*_signed(statement, what).serialization.ignore_paths, *GIT_PATHS)
    for path, digest in signed.items():
        if path not in files:
            raise Tampered(what, f"the file {path!r} was signed and is not there")
        if files[path] != digest:
            raise Tampered(what, f"the file {path!r} has other bytes than were signed")
    for path in files.keys() - signed.keys():
        if not _ignored(path, ignored):
            raise Tampered(what, f"the file {path!r} was not signed")


def _signed(statement: Statement, what: str) -> _Signed:
    if statement.predicate_type != FILES:
        raise MalformedInput(what, f"its predicate is {statement.predicate_type!r}; {FILES!r} is read")
    try:
        signed = msgspec.convert(statement.predicate, _Signed)
    except msgspec.ValidationError as error:
        raise MalformedInput(what, str(error)) from None
    form = signed.serialization
    if form.method != "files" or form.hash_type != "sha256":
        raise MalformedInput(
            what, f"it was made with {form.method} and {form.hash_type}; whole files and SHA-256 are checked"
        )
    return signed


def _root_of(signed: _Signed, what: str) -> str:
    try:
        return _root([resource.digest for resource in signed.resources])
    except ValueError:
        raise MalformedInput(what, "a digest is not in hex") from None


def _root(digests: list[str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _ignored(path: str, ignored: tuple[str, ...]) -> bool:
    return any(path == one.rstrip("/") or path.startswith(f"{one.rstrip('/')}/") for one in ignored)
