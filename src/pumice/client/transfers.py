"""Pushes to a server's model store, and pulls from it: in parts, in bounded memory, gone on with after a break.

A push tells the server the digests of its files and sends what it lacks. A pull holds every file against the digest in
the manifest, and the manifest against the digest of the version; who signed that, the caller is asked.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from pumice.client.errors import BadAnswer
from pumice.client.flow import Broken, Call, Flow, Link, Pause, working
from pumice.client.refusals import refusal
from pumice.client.store import LONG_S, ask, json_call, model_path, show, statements, version_path
from pumice.domain.errors import BadArtefact, StillSealed, StorageFailed, Tampered, UploadNotFound
from pumice.domain.store.manifest import StoredFile, VersionManifest, decode_manifest
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.told import SignedStatement
from pumice.domain.store.wishes import FileState, PushWish, UploadFile, UploadState, UploadWish
from pumice.domain.trust.statements import SIGNATURE_FILE
from pumice.store.layout import sync_folder
from pumice.store.parts import keep_only, part_of, refuse_taken
from pumice.store.tree import SourceFile, files_of, single_file

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""

SILENCE_S = 120.0
"""Longest wait for an answer to a part of a push, and longest silence in a pull (s)."""

_BLOCK = 1024 * 1024
_FIRST_PIECE = 1024 * 1024
_QUICK_S, _SLOW_S = 0.5, 5.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Package:
    """What is pushed.

    Attributes:
        files: The files.
        entry: The one that is stored with what it needs; empty: the folder is stored whole.
    """

    files: list[SourceFile]
    entry: str = ""

    @classmethod
    def of(cls, source: str | Path) -> Package:
        """A folder with all that is in it, or one file.

        Raises:
            BadArtefact: It is not there, or leads out of its folder.
        """
        place = Path(source).expanduser().absolute()
        try:
            if place.is_dir():
                return cls(files_of(place))
            return cls([single_file(place, place.parent)], place.name)
        except OSError as error:
            raise BadArtefact(str(source), f"it cannot be read: {error.strerror}", "mend its permissions") from None


@dataclass(frozen=True, slots=True)
class Received:
    """What a server says of a version; nothing of it is believed yet but that digests fit.

    Attributes:
        record: The version.
        manifest: Its manifest, held against the digest in the record.
        statements: What is signed of it.
    """

    record: VersionRecord
    manifest: VersionManifest
    statements: list[SignedStatement]


Admit = Callable[[Received], bytes | None]
"""Says whether a version may be used: raises `Untrusted` or `Tampered`, or returns the signature that goes with it."""


def push(link: Link, model: str, package: Package, wish: PushWish, progress: Progress) -> Flow[VersionRecord]:
    """Push a version."""
    files = yield from working(lambda: _listed(package, wish.digests, progress))
    told = UploadWish(
        files=files,
        entry=package.entry,
        parents=list(wish.parents),
        recipe=wish.recipe,
        reason=wish.reason,
        drop_signature=wish.drop_signature,
        spec=wish.spec,
        seal=wish.seal,
        mend=wish.mend,
    )
    for _ in range(_TRIES - 1):
        try:
            return (yield from _pushed(link, model, package, told, progress))
        except UploadNotFound:  # somebody pushed the same and was done with it, or it was given up
            pass
    return (yield from _pushed(link, model, package, told, progress))


def _pushed(link: Link, model: str, package: Package, wish: UploadWish, progress: Progress) -> Flow[VersionRecord]:
    uploads = f"{model_path(model)}/uploads"
    begin = json_call("POST", uploads, msgspec.to_builtins(wish), repeatable=True)
    state = yield from ask(link, begin, UploadState, LONG_S)
    place = f"{uploads}/{state.id}"
    if len(state.have) != len(wish.files):
        raise BadAnswer(str(begin), "it tells of another number of files")
    record = state.record
    if record is None:
        sent = sum(state.have)
        progress(sent, wish.size)
        for number, file in enumerate(wish.files):
            upload = _Upload(package.files[number], file, f"{place}/files/{number}", state)
            yield from upload.send(link, state.have[number], _from(progress, sent, wish.size))
            sent += file.size - state.have[number]
        record = yield from ask(link, Call("POST", f"{place}/finish"), VersionRecord, LONG_S)
    yield from _look_again(link, record, wish)
    reply = yield from link.exchange(Call("DELETE", place))
    if not reply.ok and reply.status != 404:
        raise refusal(reply)
    return record


def _look_again(link: Link, record: VersionRecord, wish: UploadWish) -> Flow[None]:
    """What was stored is what was sent; of a sealed version the server alone can tell."""
    ref = f"{record.model}@{record.version}"
    manifest = yield from _manifest(link, ref, record.digest)
    sent = {file.path: file.sha256 for file in wish.files if file.path != SIGNATURE_FILE}
    if not manifest.seal and {file.path: file.sha256 for file in manifest.files} != sent:
        raise Tampered(ref, "the server stored other files than were sent", "look at the server")


class _Upload:
    """A file on its way, in pieces that grow while they go quickly."""

    def __init__(self, source: SourceFile, file: UploadFile, path: str, state: UploadState) -> None:
        self._source = source
        self._file = file
        self._path = path
        self._most = state.most_bytes
        self._piece = min(_FIRST_PIECE, self._most)

    def send(self, link: Link, at: int, told: Callable[[int], None]) -> Flow[None]:
        begun = at
        while at < self._file.size:
            data = yield from working(partial(self._read, at))
            path = f"{self._path}?offset={at}"
            call = Call("PUT", path, {"content-type": "application/octet-stream"}, data, in_slices=True)
            before = link.clock.monotonic()
            there = (yield from ask(link, call, FileState, SILENCE_S)).have
            if there <= at:
                raise BadAnswer(str(call), "nothing of what was sent is there")
            at = there
            self._pace(link.clock.monotonic() - before)
            told(at - begun)

    def _pace(self, took: float) -> None:
        if took < _QUICK_S:
            self._piece = min(self._piece * 2, self._most)
        elif took > _SLOW_S:
            self._piece = max(self._piece // 2, min(64 * 1024, self._most))

    def _read(self, at: int) -> bytes:
        size = min(self._piece, self._file.size - at)
        if self._source.content is not None:
            return self._source.content[at : at + size]
        try:
            with self._source.open() as file:
                file.seek(at)
                data = file.read(size)
        except OSError as error:
            raise BadArtefact(str(self._source.place), f"it cannot be read: {error.strerror}", "mend it") from None
        if len(data) != size:
            raise BadArtefact(str(self._source.place), "it became shorter while it was pushed", "push again")
        return data


def _listed(package: Package, promised: Mapping[str, str], progress: Progress) -> list[UploadFile]:
    """Read all files once, for their digests."""
    total, done = sum(file.size for file in package.files), 0
    found: list[UploadFile] = []
    for source in package.files:
        whole, size = hashlib.sha256(), 0
        try:
            with io.BytesIO(source.content) if source.content is not None else source.open() as file:
                while block := file.read(_BLOCK):
                    whole.update(block)
                    size += len(block)
                    progress(done + size, total)
        except OSError as error:
            raise BadArtefact(str(source.place), f"it cannot be read: {error.strerror}", "mend it") from None
        done += size
        found.append(UploadFile(source.path, size, whole.hexdigest()))
    digests = {file.path: file.sha256 for file in found}
    for path, digest in promised.items():
        if digests.get(path) != digest:
            raise Tampered(f"file {path!r}", f"its SHA-256 is {digests.get(path)}, and {digest} was promised")
    return found


def pull(link: Link, ref: str, folder: Path, admit: Admit | None, progress: Progress) -> Flow[VersionRecord]:
    """Pull a version into a folder that is not there yet, or empty."""
    folder = folder.expanduser()
    refuse_taken(folder)
    record = (yield from show(link, ref)).record
    exact = f"{record.model}@{record.version}"
    manifest = yield from _manifest(link, exact, record.digest)
    if manifest.seal:
        raise StillSealed(ref, "its files do not go over HTTP; unseal it where the store and its key are")
    signature: bytes | None = None
    if admit is not None:
        received = Received(record, manifest, (yield from statements(link, exact)))
        signature = yield from working(lambda: admit(received))
    try:
        with part_of(folder, record.digest, stays=True) as part:
            keep_only(part, [file.path for file in manifest.files])
            done = 0
            for file in manifest.files:
                incoming = _Incoming(part / file.path, file, _from(progress, done, manifest.size))
                yield from _fetched(link, exact, incoming)
                done += file.size
            if signature is not None:
                (part / SIGNATURE_FILE).write_bytes(signature)
            part.replace(folder)
            sync_folder(folder.absolute().parent)
    except OSError as error:
        raise StorageFailed(str(folder), error.strerror or str(error)) from error
    return record


def _from(progress: Progress, done: int, total: int) -> Callable[[int], None]:
    """Tell of one file among others."""
    return lambda at: progress(done + at, total)


def _manifest(link: Link, ref: str, digest: str) -> Flow[VersionManifest]:
    reply = yield from link.exchange(Call("GET", f"{version_path(ref)}/manifest"))
    if not reply.ok:
        raise refusal(reply)
    return decode_manifest(reply.body, digest)


def _fetched(link: Link, ref: str, incoming: _Incoming) -> Flow[None]:
    file = incoming.file
    resumed = yield from working(incoming.open)
    try:
        yield from _stream(link, ref, incoming)
        if incoming.digest != file.sha256 and resumed:  # what was there from before was something else
            yield from working(incoming.empty)
            yield from _stream(link, ref, incoming)
        if incoming.digest != file.sha256:
            raise Tampered(f"file {file.path!r}", "what came has another SHA-256 than the manifest says", "pull again")
    finally:
        incoming.close()


def _stream(link: Link, ref: str, incoming: _Incoming) -> Flow[None]:
    """Take a file in from where it is, as often as that helps."""
    file, tried = incoming.file, 0
    path = f"{version_path(ref)}/files?{urlencode({'path': file.path})}"
    while incoming.at < file.size:
        before = incoming.at
        headers = {"accept-encoding": "identity", **({"range": f"bytes={before}-"} if before else {})}
        call = Call("GET", path, headers)
        outcome = yield from link.attempt(call, SILENCE_S, incoming.take)
        if incoming.at > before:
            tried = 0
        elif not isinstance(outcome, Broken) and outcome.ok:
            raise BadAnswer(str(call), "the file ends early")
        if incoming.at == file.size:
            return
        tried += 1
        wait = link.retries.first_s if tried == 1 and incoming.at > before else link.wait_after(call, outcome, tried)
        if wait is None:
            reply = link.final(outcome, tried, SILENCE_S)
            raise refusal(reply)
        yield Pause(wait)


class _Incoming:
    """A file that comes in; its methods but `close` block.

    Args:
        target: Where it is put together; what lies there is gone on from.
        file: What it is to be.
        told: Told how much of it is there.
    """

    def __init__(self, target: Path, file: StoredFile, told: Callable[[int], None]) -> None:
        self.file = file
        self.at = 0
        self._target = target
        self._told = told
        self._handle = -1
        self._whole = hashlib.sha256()

    @property
    def digest(self) -> str:
        """SHA-256 of what is there, in hex."""
        return self._whole.hexdigest()

    def open(self) -> bool:
        """Read what is there; whether that is anything."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self._target, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        if os.fstat(self._handle).st_size > self.file.size:
            self.empty()
        while block := os.read(self._handle, _BLOCK):
            self._whole.update(block)
            self.at += len(block)
            self._told(self.at)
        return self.at > 0

    def empty(self) -> None:
        """Begin anew."""
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self.at, self._whole = 0, hashlib.sha256()

    def take(self, data: bytes) -> None:
        """Take the bytes that follow."""
        if self.at + len(data) > self.file.size:
            self.empty()
            raise Tampered(f"file {self.file.path!r}", "more bytes came than the manifest says", "look at the server")
        self._whole.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]
        self.at += len(data)
        self._told(self.at)

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
