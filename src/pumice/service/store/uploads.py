"""Pushes over HTTP: files come in parts, wait in a folder until they are whole, and are then pushed like any folder.

    ID/wish.json     what is to be pushed
    ID/files/…       what has come of its files, each from its first byte on
    ID/known/…       files that the store had, on their way there
    ID/begun.json    that the push into the store was begun, and after which version
    ID/done.json     the version that it became, until its caller has heard of it
    ID/lock          shared by who writes a file, held alone by who pushes

All of it lies on the disk, so that any front process takes the next part, also after all of them were killed. Nothing
of it is a version: the push at the end is that of `Store.push`, with all its checks.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from pumice.domain.errors import (
    BadArtefact,
    BadSetting,
    MalformedInput,
    Overloaded,
    PumiceError,
    PushRefused,
    StorageFailed,
    Tampered,
    TooLarge,
    UnsafeArtefact,
    Unsupported,
    UploadNotFound,
    VersionNotFound,
)
from pumice.domain.store.names import check_model_name
from pumice.domain.store.records import VersionRecord
from pumice.domain.store.wishes import UploadFile, UploadState, UploadWish
from pumice.domain.trust.statements import SIGNATURE_FILE
from pumice.service.store.foreign_code import refuse_code
from pumice.service.store.store import Store
from pumice.service.store.types import PushWish
from pumice.service.store.upload_limits import UploadLimits

PIECE_BYTES = 16 * 1024 * 1024
"""Most bytes that one request brings, if requests may be so large."""

_LOOKED_THROUGH = 8
"""Newest versions of a model in which files are looked for that need not be sent."""

T = TypeVar("T")


class _Begun(msgspec.Struct, frozen=True):
    """Attributes: the newest version when the push began, and who pushed."""

    after: int
    by: str


class Uploads:
    """The pushes over HTTP of a home. Its methods block; threads and processes may share them.

    Args:
        store: The store, in the name of who pushes.
        limits: What callers may push.
    """

    def __init__(self, store: Store, limits: UploadLimits) -> None:
        self._store = store
        self._limits = limits
        self._root = Path(limits.folder).expanduser() if limits.folder else store.home / "cache" / "uploads"

    def begin(self, model: str, wish: UploadWish, most_bytes: int) -> UploadState:
        """Begin a push, or find the one that the same caller began with the same files and words.

        Files that the newest versions of the model, or the parents, have already are taken from there.

        Args:
            model: Name of the model.
            wish: Its files, and what is said of it.
            most_bytes: Most bytes that a request may have.

        Raises:
            MalformedInput: The files cannot lie in one folder.
            TooLarge: They are larger than the limit.
            Unsupported: Nothing may be pushed.
            Overloaded: Pushes that are under way take all the room.
            VersionNotFound: A parent is not in the store.
            StorageFailed: The disk is full, or cannot be written.
        """
        if not self._limits.most_bytes:
            raise Unsupported(
                "pushing over HTTP", "push on the server's machine, or let its operator set push_max_bytes"
            )
        wish.check()
        if wish.size > self._limits.most_bytes:
            raise TooLarge("the version", wish.size, self._limits.most_bytes)
        place = self._root / wish.id_for(check_model_name(model), self._store.by)
        with _explained(self._root):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(self._root / "lock", fcntl.LOCK_EX):
                self._sweep()
                if not (place / "wish.json").exists():
                    self._check_room(wish)
                    _make(place, model, wish)
            with self._at_work(place):
                record = _read(place / "done.json", VersionRecord)
                if record is None:
                    self._take_known(model, place, wish)
                have = [file.size if record else _length(place, file) for file in wish.files]
        return UploadState(id=place.name, have=have, most_bytes=min(PIECE_BYTES, most_bytes), record=record)

    def write(self, model: str, upload: str, number: int, at: int, data: bytes) -> int:
        """Take bytes of a file.

        Args:
            model: Name of the model.
            upload: Name of the push.
            number: The file's place in the wish.
            at: Place of the first byte in the file; not beyond what is there.
            data: The bytes.

        Returns:
            How many bytes of the file are there now.

        Raises:
            UploadNotFound: There is no such push.
            MalformedInput: There is no such file, or the bytes do not follow on those that are there.
            Overloaded: It is being pushed into the store.
            StorageFailed: They could not be written.
        """
        place = self._place(model, upload)
        with _explained(place), self._at_work(place):
            wish = self._wish(place, model)
            if not 0 <= number < len(wish.files):
                raise MalformedInput("number of the file", f"{number}; there are {len(wish.files)}")
            file = wish.files[number]
            there = _length(place, file)
            if at > there or at + len(data) > file.size:
                problem = f"{len(data)} bytes from {at} on, where {there} of {file.size} are there"
                raise MalformedInput(f"file {file.path!r}", f"{problem}; send those that follow")
            target = place / "files" / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as out:
                out.seek(at)
                out.write(data)
            os.utime(place / "wish.json")
            return _length(place, file)

    def finish(self, model: str, upload: str) -> VersionRecord:
        """Push into the store what has come. Asked again, it tells the version that it became.

        Raises:
            UploadNotFound: There is no such push.
            MalformedInput: Something is still to be sent.
            PushRefused: The store does not take it, or bytes are not what they were said to be; those are to be sent
                again.
            Untrusted: The signature that lies among the files is by no trusted key.
            StorageFailed: It could not be stored.
            PumiceError: Whatever else `Store.push` raises.
        """
        place = self._place(model, upload)
        with _explained(place), _locked(self._lock_of(place), fcntl.LOCK_EX):
            wish = self._wish(place, model)
            record = _read(place / "done.json", VersionRecord) or self._entered(model, place, wish)
            if record is None:
                record = self._push(model, place, wish)
            _write(place / "done.json", record)
            shutil.rmtree(place / "files", ignore_errors=True)
        return record

    def forget(self, model: str, upload: str) -> None:
        """Give up a push, or say that its caller has heard what became of it.

        Raises:
            UploadNotFound: There is no such push.
            StorageFailed: It cannot be deleted.
        """
        place = self._place(model, upload)
        with _explained(place), _locked(self._lock_of(place), fcntl.LOCK_EX):
            self._wish(place, model)
            _drop(place)

    def _push(self, model: str, place: Path, wish: UploadWish) -> VersionRecord:
        missing = [file.path for file in wish.files if _length(place, file) != file.size]
        if missing:
            raise MalformedInput(f"file {missing[0]!r}", f"it has not come whole, nor have {len(missing) - 1} others")
        for file in wish.files:
            if not file.size:
                (place / "files" / file.path).parent.mkdir(parents=True, exist_ok=True)
                (place / "files" / file.path).touch()
        files = place / "files"
        _write(place / "begun.json", _Begun(self._newest(model), self._store.by))
        try:
            if not self._limits.code:
                refuse_code(files, wish.spec, "let the server's operator set push_code, or push on its machine")
            self._check_signature(place, wish)
            return self._store.push(files / wish.entry if wish.entry else files, model, _local(wish))
        except (BadArtefact, UnsafeArtefact) as error:
            _drop(place)  # other files make another push
            raise PushRefused(model, _inside(error, files)) from None
        except BadSetting as error:
            raise PushRefused(model, _inside(error, files)) from None
        except Tampered:
            wrong = [file for file in wish.files if _digest(files / file.path) != file.sha256]
            if not wrong:
                raise
            for file in wrong:
                (files / file.path).unlink()
            raise PushRefused(model, f"{wrong[0].path!r} has another SHA-256 than was said; send it again") from None

    def _check_signature(self, place: Path, wish: UploadWish) -> None:
        """The push holds all files against their digests but this one, which it keeps elsewhere."""
        for file in wish.files:
            if file.path == SIGNATURE_FILE and _digest(place / "files" / file.path) != file.sha256:
                raise Tampered(file.path, "it has another SHA-256 than was said")

    def _entered(self, model: str, place: Path, wish: UploadWish) -> VersionRecord | None:
        """The version, if the push came to its end and was cut off before it could say so."""
        begun = _read(place / "begun.json", _Begun)
        if begun is None:
            return None
        wanted = {file.path: file.sha256 for file in wish.files if file.path != SIGNATURE_FILE}
        for record in self._versions(model):
            if record.version > begun.after and record.made_by == begun.by:
                manifest = self._store.show(f"{model}@{record.version}").manifest
                found = {file.path: file.sha256 for file in manifest.files}
                if found == wanted or (manifest.seal and wish.seal and found.keys() == wanted.keys()):
                    return record
        return None

    def _take_known(self, model: str, place: Path, wish: UploadWish) -> None:
        """Copy files that need not be sent out of the store; what is wrong with a version there is not told here."""
        lacking = [file for file in wish.files if file.size and _length(place, file) < file.size]
        wanted = {file.sha256: place / "known" / file.sha256 for file in lacking}
        (place / "known").mkdir(exist_ok=True)
        refs = [f"{model}@{record.version}" for record in self._versions(model)[:_LOOKED_THROUGH]]
        for ref in (*wish.parents, *refs):
            if not wanted:
                break
            with contextlib.suppress(PumiceError):
                for digest in self._store.shipping.lay_down(ref, wanted):
                    del wanted[digest]
        for file in lacking:
            found = place / "known" / file.sha256
            if file.sha256 not in wanted and found.exists():  # the second of two equal files is sent
                target = place / "files" / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                found.replace(target)

    def _versions(self, model: str) -> list[VersionRecord]:
        """Those of a model, the newest first."""
        try:
            return self._store.versions(model)[::-1]
        except VersionNotFound:
            return []

    def _newest(self, model: str) -> int:
        return max((record.version for record in self._versions(model)), default=0)

    def _check_room(self, wish: UploadWish) -> None:
        pending = sum(found.size for place in self._root.iterdir() if (found := _read(place / "wish.json", UploadWish)))
        if pending + wish.size > self._limits.pending_bytes:
            raise Overloaded(f"pushes that are not finished take {pending} of {self._limits.pending_bytes} bytes", 60.0)
        free = shutil.disk_usage(self._root).free
        if wish.size > free:
            raise StorageFailed(str(self._root), f"{free} bytes are free, and the push brings {wish.size}")

    def _sweep(self) -> None:
        """Delete what nobody went on with."""
        for place in self._root.iterdir():
            with contextlib.suppress(FileNotFoundError, Overloaded):
                about = place / "wish.json"
                at = (about if about.exists() else place).stat().st_mtime
                if place.is_dir() and time.time() - at > self._limits.keep_s:
                    with _locked(place / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
                        _drop(place)

    @contextlib.contextmanager
    def _at_work(self, place: Path) -> Iterator[None]:
        with _locked(self._lock_of(place), fcntl.LOCK_SH | fcntl.LOCK_NB):
            yield

    def _lock_of(self, place: Path) -> Path:
        if not (place / "wish.json").exists():
            raise UploadNotFound(place.name)
        return place / "lock"

    def _place(self, model: str, upload: str) -> Path:
        check_model_name(model)
        if not (upload.isascii() and upload.isalnum()):
            raise UploadNotFound(upload[:64])
        return self._root / upload

    def _wish(self, place: Path, model: str) -> UploadWish:
        if not (place / "wish.json").exists() or _known(place)[1] != model:
            raise UploadNotFound(place.name)
        return _known(place)[0]


@lru_cache(maxsize=16)
def _known(place: Path) -> tuple[UploadWish, str]:
    """What a push is, read once: its name is a digest of it."""
    wish, model = _read(place / "wish.json", UploadWish), _read(place / "model.json", str)
    if wish is None or model is None:
        raise UploadNotFound(place.name)
    return wish, model


def _local(wish: UploadWish) -> PushWish:
    return PushWish(
        parents=tuple(wish.parents),
        recipe=wish.recipe,
        reason=wish.reason,
        drop_signature=wish.drop_signature,
        spec=wish.spec,
        digests={file.path: file.sha256 for file in wish.files if file.path != SIGNATURE_FILE},
        seal=wish.seal,
    )


def _make(place: Path, model: str, wish: UploadWish) -> None:
    shutil.rmtree(place, ignore_errors=True)
    (place / "files").mkdir(mode=0o700, parents=True)
    place.chmod(0o700)
    _write(place / "model.json", model)
    _write(place / "wish.json", wish)  # the last: now it is there


def _drop(place: Path) -> None:
    (place / "wish.json").unlink(missing_ok=True)  # the first: now it is not there
    shutil.rmtree(place, ignore_errors=True)


def _write(file: Path, value: object) -> None:
    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as out:
        out.write(msgspec.json.encode(value))
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


def _read(file: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageFailed(str(file), str(error)) from None


def _length(place: Path, file: UploadFile) -> int:
    try:
        return (place / "files" / file.path).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _inside(error: PumiceError, files: Path) -> str:
    """What is wrong, with paths as the caller knows them."""
    return error.message.replace(f"{files}/", "").replace(str(files), "the folder")


@contextlib.contextmanager
def _locked(file: Path, how: int) -> Iterator[None]:
    handle = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, how)
        except BlockingIOError:
            raise Overloaded("this push is being worked on") from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not (place / "wish.json").exists():
            raise UploadNotFound(place.name) from None  # somebody else was done with it
        raise StorageFailed(str(place), error.strerror or str(error)) from error
