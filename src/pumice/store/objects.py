"""Objects in a store that fsspec knows: S3, Google Cloud Storage and the rest, one bucket and prefix of it.

Every call is tried again after a pause where the store did not answer as it should, and then ends as `StorageFailed`.
What a store's library says goes into the message without the secrets that it was given.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pumice.domain.errors import BadSetting, MissingDependency, PumiceError, StorageFailed

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

T = TypeVar("T")

PART = 8 * 1024 * 1024
"""Bytes of one part of an upload."""

_AT_ONCE = 4
"""Parts that are under way, and in memory, at once."""

_PAUSES_S = (0.2, 1.0, 3.0)
"""Pauses before a call is tried again, each up to half as long again."""

_OPTIONS: Mapping[str, dict[str, Any]] = {
    "s3": {"chunksize": PART, "max_concurrency": _AT_ONCE},
    "gs": {"chunksize": PART},
}
"""What bounds an upload's memory; each library has names of its own."""

_EXTRAS = {"s3": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "abfs": ("adlfs", "azure"), "az": ("adlfs", "azure")}
"""Package, and extra of ours, by the scheme of a URL."""

_LASTING = (FileNotFoundError, FileExistsError, PermissionError, NotImplementedError, ValueError, TypeError)
"""Trying again does not help."""


class Found(NamedTuple):
    """An object.

    Attributes:
        name: Its name behind the prefix.
        size: Its length (bytes).
    """

    name: str
    size: int


class Objects:
    """Objects below a prefix. Threads may share it; the library is loaded at the first use.

    Args:
        url: For example ``s3://bucket/prefix``.
        options: What the library is told besides, such as ``endpoint_url``.
        pause: Waits (s) before a call is tried again.

    Raises:
        BadSetting: The URL is none, or carries secrets.
    """

    def __init__(self, url: str, options: Mapping[str, Any], pause: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if not parts.scheme or not (parts.netloc or parts.path.strip("/")):
            raise BadSetting("store_url", repr(url), "a URL such as s3://bucket/prefix")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise BadSetting(
                "store_url", "a URL with more than a bucket and a prefix", "s3://bucket/prefix; secrets go elsewhere"
            )
        self.url = url.rstrip("/")
        self._scheme = parts.scheme
        self._options = dict(options)
        self._pause = pause
        self._lock = threading.Lock()
        self._system: AbstractFileSystem | None = None

    def put(self, file: Path, name: str, told: Callable[[int], None]) -> None:
        """Upload a file, in parts if it is large, and make sure that all of it is there.

        Args:
            file: Its place.
            name: Name of the object.
            told: Told of bytes that are sent; from another thread, and again if a try failed.

        Raises:
            StorageFailed: It could not be uploaded.
        """
        from fsspec.callbacks import Callback

        class Told(Callback):  # type: ignore[misc]
            def relative_update(self, inc: int = 1) -> None:
                told(inc)

        options = _OPTIONS.get(self._scheme, {})
        wanted = file.stat().st_size
        try:
            self._try(name, lambda system, path: system.put_file(str(file), path, callback=Told(), **options))
        except FileNotFoundError as error:
            raise self._no_bucket() from error
        if self.size(name) != wanted:
            raise StorageFailed(self._path(name), "the store has another number of bytes than were sent")

    def create(self, name: str, data: bytes) -> bool:
        """Make a small object, unless there is one of its name; whether it was made.

        Raises:
            StorageFailed: It could not be made.
        """
        try:
            self._try(name, lambda system, path: system.pipe_file(path, data, mode="create"))
        except FileExistsError:
            return False
        except FileNotFoundError as error:
            raise self._no_bucket() from error
        return True

    def read(self, name: str, start: int, size: int) -> bytes:
        """Read a part of an object; less than was asked for if it ends before. It must begin inside.

        Raises:
            FileNotFoundError: It is not there.
            StorageFailed: It cannot be read.
        """
        return self._try(name, lambda system, path: bytes(system.cat_file(path, start=start, end=start + size)))

    def size(self, name: str) -> int:
        """Length of an object (bytes).

        Raises:
            FileNotFoundError: It is not there.
            StorageFailed: It cannot be told.
        """
        return self._try(name, lambda system, path: int(system.info(path)["size"]))

    def every(self, below: str) -> list[Found]:
        """All objects below a name, ordered.

        Raises:
            StorageFailed: They cannot be listed.
        """
        try:
            found = self._try(below, lambda system, path: system.find(path, detail=True))
        except FileNotFoundError:
            return []
        root = self._stripped("")
        return sorted(Found(path.removeprefix(root).lstrip("/"), int(about["size"])) for path, about in found.items())

    def delete(self, name: str) -> None:
        """Delete an object, if it is there.

        Raises:
            StorageFailed: It could not be deleted.
        """
        with contextlib.suppress(FileNotFoundError):
            self._try(name, lambda system, path: system.rm_file(path))

    def uploads(self, below: str) -> list[tuple[str, str]]:
        """Uploads in parts that were begun and did not come to an end: names of objects, and their ids.

        Raises:
            StorageFailed: They cannot be listed.
        """
        if self._scheme != "s3":
            return []  # the others let unfinished uploads expire
        root = self._stripped("")
        bucket, _, prefix = self._stripped(below).partition("/")
        told = self._try(
            below, lambda system, _: system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/")
        )
        return [
            (f"{bucket}/{up['Key']}".removeprefix(root).lstrip("/"), up["UploadId"]) for up in told.get("Uploads", [])
        ]

    def abort(self, name: str, upload: str) -> None:
        """End an upload in parts, whose parts go.

        Raises:
            StorageFailed: It could not be ended.
        """
        bucket, _, key = self._stripped(name).partition("/")
        wish = {"Bucket": bucket, "Key": key, "UploadId": upload}
        with contextlib.suppress(FileNotFoundError):
            self._try(name, lambda system, _: system.call_s3("abort_multipart_upload", **wish))

    def _no_bucket(self) -> StorageFailed:
        return StorageFailed(self.url, "there is no such bucket, or it may not be seen")

    def _path(self, name: str) -> str:
        return f"{self.url}/{name}" if name else self.url

    def _stripped(self, name: str) -> str:
        found = self._opened()._strip_protocol(self._path(name))  # noqa: SLF001 - fsspec's own hook for it
        return str(found)

    def _opened(self) -> AbstractFileSystem:
        with self._lock:
            if self._system is None:
                self._system = self._open()
            return self._system

    def _open(self) -> AbstractFileSystem:
        package, extra = _EXTRAS.get(self._scheme, ("fsspec", "s3"))
        try:
            import fsspec

            # what a listing said is not kept: others change the store
            return fsspec.filesystem(self._scheme, **{"use_listings_cache": False, **self._options})
        except ImportError as error:
            raise MissingDependency("the setting 'store_url'", package, f"pip install 'pumice[{extra}]'") from error
        except ValueError as error:
            raise BadSetting(
                "store_url", f"a URL of {self._scheme!r}", "one that fsspec knows, such as s3://"
            ) from error

    def _try(self, name: str, call: Callable[[AbstractFileSystem, str], T]) -> T:
        path = self._path(name)
        for pause in (*_PAUSES_S, None):
            try:
                return call(self._opened(), path)
            except (PumiceError, FileNotFoundError, FileExistsError):
                raise
            except Exception as error:  # noqa: BLE001 - each store's library has errors of its own, with no common base
                if pause is None or isinstance(error, _LASTING):
                    raise StorageFailed(path, self._told(error)) from None
                self._pause(pause * random.uniform(1, 1.5))  # noqa: S311 - no secret
        raise AssertionError  # the last pause is None

    def _told(self, error: Exception) -> str:
        line = f"{type(error).__name__}: {error}".partition("\n")[0]
        for secret in _secrets(self._options):
            line = line.replace(secret, "…")
        return line


def _secrets(options: object) -> list[str]:
    if isinstance(options, Mapping):
        return [secret for key, value in options.items() if key != "endpoint_url" for secret in _secrets(value)]
    return [options] if isinstance(options, str) and len(options) > 3 else []
