"""Bytes into the store and out of it."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace
from sqlalchemy import Connection, Engine

from pumice.__about__ import __version__
from pumice.db import packs, seals, versions
from pumice.db.engine import READS
from pumice.domain.errors import BadArtefact, StillSealed, StorageFailed, Tampered
from pumice.domain.store.manifest import Parent, VersionManifest, decode_manifest, encode_manifest
from pumice.domain.store.records import VersionRecord
from pumice.domain.trust.bundles import MOST_BYTES
from pumice.domain.trust.statements import FILES, SIGNATURE_FILE
from pumice.service.store.aliases import Mover, Step, note
from pumice.service.store.describing import describe
from pumice.service.store.holding import HeldVersion
from pumice.service.store.lookup import resolve
from pumice.service.store.seals import Opened, Seals, add_sealed
from pumice.service.store.serving import ServedLease
from pumice.service.store.trust import Guard
from pumice.service.store.types import Progress, PushWish
from pumice.store.layout import Layout, sync_folder
from pumice.store.memory import load_files
from pumice.store.mending import Mending
from pumice.store.packs import PackReader
from pumice.store.parts import keep_only, part_of, refuse_taken
from pumice.store.place import claim_place
from pumice.store.pulling import Readable, read_object, read_small, write_file
from pumice.store.pushing import Push
from pumice.store.sealing import SealedPush
from pumice.store.sessions import Session, transaction
from pumice.store.tree import SourceFile


class Transfer:
    """The engine room of `Store`: pushes and pulls.

    Args:
        engine: The database.
        layout: The store's folder.
        clock: Seconds since 1970.
        guard: Signs versions, and says which may be used.
        seals: Keys of sealed versions.
    """

    def __init__(self, engine: Engine, layout: Layout, clock: Callable[[], float], guard: Guard, seals: Seals) -> None:
        self._guard = guard
        self.seals = seals
        self._engine = engine
        self._reader = engine.execution_options(**READS)
        self._layout = layout
        self._clock = clock

    def session(self) -> Session:
        """Begin a session."""
        return Session(self._engine, self._layout, self._clock)

    def push(self, source: str, model: str, wish: PushWish, by: str, progress: Progress) -> VersionRecord:
        """Store a source as the next version of a model; see `Store.push`."""
        described = describe(source)
        if wish.spec is not None:
            described = dataclasses.replace(
                described, spec=wish.spec, entry=wish.spec.model, signature=wish.spec.signature
            )
        files, brought = take_signature(described.files)
        brought = b"" if wish.drop_signature else brought
        told = _Counter(progress, sum(file.size for file in files))
        with transaction(self._engine) as connection:
            above = [resolve(connection, ref) for ref in wish.parents]
        parents = [self._parent(record) for record in above]
        draft = VersionManifest(
            entry=described.entry,
            spec=described.spec,
            signature=described.signature,
            files=[],
            parents=parents,
            recipe=wish.recipe,
            environment=described.environment | {"pumice": __version__, "python": platform.python_version()},
        )

        def check(plain: VersionManifest) -> bytes:
            """Hold the files against what was said of them, and hand out the signature that came with them."""
            _check_digests(plain, wish.digests)
            if brought:
                digests = {file.path: file.sha256 for file in plain.files}
                self._guard.check_folder(model, brought, digests, f"{source}, {SIGNATURE_FILE}")
            return brought

        reserved = self.seals.reserve(model) if wish.seal else None
        claim_place(self._engine, self._layout)
        compare = True if wish.mend else None
        with (
            self.session() as session,
            Push(self._engine, session, self._layout, self._clock(), told, compare=compare) as push,
        ):
            if reserved is None:
                manifest = replace(draft, files=[push.add_file(file) for file in files])
                check(manifest)
            else:
                with SealedPush(push, reserved.cipher, told) as sealing:
                    # what is signed in the clear would tell the digests of the plain files
                    manifest = add_sealed(
                        sealing, files, draft, lambda plain: check(plain) or self._guard.sign_files(model, plain)
                    )
            data = encode_manifest(manifest)
            digest = push.add_object(data)
            manifest = decode_manifest(data, digest)  # what is signed is what will be read
            push.flush()
            with self._guard.heads.changing(self._engine, model, self._clock()) as connection:
                for parent in parents:
                    resolve_same(connection, parent)
                record = VersionRecord(
                    model=model,
                    version=versions.next_number(connection, model) if reserved is None else reserved.number,
                    digest=digest,
                    created=self._clock(),
                    made_by=by,
                    format=described.spec.format,
                    task=described.spec.task,
                    size=manifest.size,
                    files=len(manifest.files),
                    stored=push.stored,
                )
                versions.add(connection, record, [(parent.model, parent.version) for parent in parents])
                push.enter(connection, model, record.version)
                if reserved is not None:
                    seals.add(connection, reserved.row)
                elif brought:
                    self._guard.enter(connection, record, brought, FILES)
                self._guard.sign(connection, record, manifest)
                note(
                    connection,
                    Step("push", model, "", record.version, None),
                    Mover(by, record.created, wish.reason),
                )
        for pack in push.damaged:  # what is left of them is put in order, so far as it is whole
            Mending(self._engine, self._layout, self._clock).mend(pack)
        return record

    def pull(self, ref: str, folder: Path, progress: Progress, *, unseal: bool) -> VersionRecord:
        """Write a version's files into a folder; see `Store.pull`."""
        refuse_taken(folder)
        with self.session() as session, PackReader(self._layout) as reader:
            record = self.hold(session, ref)
            manifest = self.manifest(session, reader, record)
            signature = self._guard.pulled(record, manifest)
            opened = self.seals.open(record, manifest, session, reader) if unseal else None
            if opened is not None:
                signature = opened.inside.signature if signature else None
            elif manifest.seal:
                raise StillSealed(ref, f"`pumice models pull --unseal {ref} DIR` writes its files in the clear")
            told = _Counter(progress, manifest.size)
            try:
                with part_of(folder, record.digest, stays=opened is None) as part:
                    wanted = list(_readable(manifest, opened))
                    keep_only(part, [each.file.path for each in wanted])
                    for each in wanted:
                        write_file(part / each.file.path, each, session, reader, told)
                    if signature is not None:
                        (part / SIGNATURE_FILE).write_bytes(signature)
                    part.replace(folder)
                    sync_folder(folder.absolute().parent)
            except OSError as error:
                raise StorageFailed(str(folder), error.strerror or str(error)) from error
        return record

    def lay_down(self, ref: str, targets: Mapping[str, Path]) -> set[str]:
        """Write files of a version that is not sealed, found by their digests; what breaks off is gone on with.

        Args:
            ref: The version.
            targets: Their places by SHA-256 in hex.

        Returns:
            Digests of the files that are at their places now.

        Raises:
            VersionNotFound: There is no such version.
            Tampered: Stored bytes have changed.
            Untrusted: No trusted key signed it, and the policy is ``require``.
            StorageFailed: Something could not be read or written.
        """
        record, manifest = self.look(ref)
        found = {} if manifest.seal else {file.sha256: file for file in manifest.files if file.sha256 in targets}
        if not found:
            return set()
        with self.session() as session, PackReader(self._layout) as reader:
            self.hold(session, f"{record.model}@{record.version}")
            self._guard.admit(record, manifest)
            for digest, file in found.items():
                write_file(targets[digest], Readable(file), session, reader, lambda _count: None)
        return set(found)

    def load(self, ref: str, progress: Progress, served_as: str) -> HeldVersion:
        """Bring a version's files into memory; see `Store.hold`."""
        with self.session() as session, PackReader(self._layout, past_cache=True) as reader:
            record = self.hold(session, ref)
            manifest = self.manifest(session, reader, record)
            self._guard.admit(record, manifest)
            opened = self.seals.open(record, manifest, session, reader)
            lease = ServedLease(self._engine, self._layout, self._clock, record, served_as)
            try:
                files = load_files(_readable(manifest, opened), session, reader, _Counter(progress, manifest.size))
            except BaseException:
                lease.close()
                raise
        if opened is not None:
            manifest = opened.inside.manifest
        return HeldVersion(record, manifest, files, lease, sealed=opened is not None)

    def hold(self, session: Session, ref: str) -> VersionRecord:
        """Resolve a reference, and keep the version's packs as long as the session lives."""
        with transaction(self._engine) as connection:
            packs.lock(connection)
            record = resolve(connection, ref)
            session.pin(connection, packs.used_by(connection, record.model, record.version))
        return record

    def manifest(self, session: Session, reader: PackReader, record: VersionRecord) -> VersionManifest:
        """Read a version's manifest in a session that holds it.

        Raises:
            Tampered: It has changed.
        """
        return decode_manifest(read_object(session, reader, record.digest), record.digest)

    def inside(self, record: VersionRecord, manifest: VersionManifest) -> VersionManifest:
        """The manifest of a version as it is without a seal.

        Args:
            record: The version.
            manifest: Its manifest, as everybody may read it.

        Raises:
            Tampered: It has changed.
            VersionNotFound: It was deleted meanwhile.
            WrongSealKey: The setting does not give its key.
        """
        if not manifest.seal:
            return manifest
        with self.session() as session, PackReader(self._layout) as reader:
            self.hold(session, f"{record.model}@{record.version}")
            opened = self.seals.open(record, manifest, session, reader)
            return manifest if opened is None else opened.inside.manifest

    def look(self, ref: str) -> tuple[VersionRecord, VersionManifest]:
        """Resolve a reference and read the manifest, without a session: a look writes nothing.

        Raises:
            Tampered: It has changed.
            VersionNotFound: There is no such version, or it was deleted while it was read.
        """
        try:
            return self._look(ref)
        except Tampered:
            return self._look(ref)  # if it was deleted meanwhile, this time it is not found

    def raw_manifest(self, ref: str) -> bytes:
        """The bytes of a version's manifest, which its digest is of.

        Raises:
            Tampered: They have changed.
            VersionNotFound: There is no such version.
        """
        with self.session() as session, PackReader(self._layout) as reader:
            record = self.hold(session, ref)
            data = read_object(session, reader, record.digest)
            self._guard.admit(record, decode_manifest(data, record.digest))
        return data

    def _parent(self, record: VersionRecord) -> Parent:
        self._guard.admit(*self.look(f"{record.model}@{record.version}"))
        return Parent(record.model, record.version, record.digest)

    def _look(self, ref: str) -> tuple[VersionRecord, VersionManifest]:
        with transaction(self._reader) as connection:
            record = resolve(connection, ref)
            key = bytes.fromhex(record.digest)
            place = packs.find(connection, [key]).get(key)
        if place is None:
            raise Tampered(f"manifest {record.digest[:12]}", "it is not in the store")
        with PackReader(self._layout) as reader:
            return record, decode_manifest(read_small(reader, place, key), record.digest)


def take_signature(files: list[SourceFile]) -> tuple[list[SourceFile], bytes]:
    """Tell a model's files from the signature that came with them, in its root; empty: there is none.

    Raises:
        BadArtefact: It cannot be read.
    """
    rest = [file for file in files if file.path != SIGNATURE_FILE]
    for file in files:
        if file.path == SIGNATURE_FILE:
            try:
                return rest, file.place.read_bytes() if file.size <= MOST_BYTES else b"too large"
            except OSError as error:
                raise BadArtefact(str(file.place), f"it cannot be read: {error.strerror}", "mend it") from None
    return rest, b""


def _readable(manifest: VersionManifest, opened: Opened | None) -> list[Readable]:
    return [Readable(file, None if opened is None else opened.cipher.of(file.path)) for file in manifest.files]


class _Counter:
    """Adds up what is done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total)


def resolve_same(connection: Connection, parent: Parent) -> VersionRecord:
    """Find a parent again.

    Raises:
        VersionNotFound: It was deleted.
        Tampered: It is another version than it was.
    """
    record = resolve(connection, f"{parent.model}@{parent.version}")
    if record.digest != parent.digest:
        raise Tampered(f"{parent.model}@{parent.version}", "it has another digest than when it became a parent")
    return record


def _check_digests(manifest: VersionManifest, wanted: Mapping[str, str]) -> None:
    found = {file.path: file.sha256 for file in manifest.files}
    for path, digest in wanted.items():
        if found.get(path) != digest:
            raise Tampered(f"file {path!r}", f"its SHA-256 is {found.get(path)}, and {digest} was promised")
