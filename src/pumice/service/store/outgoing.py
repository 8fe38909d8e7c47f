"""A file of a stored version on its way to a caller far away: a block at a time, from any byte on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from pumice.domain.errors import MalformedInput, StillSealed
from pumice.store.packs import PackReader
from pumice.store.pulling import blocks_from

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pumice.domain.store.manifest import StoredFile, VersionManifest
    from pumice.domain.store.records import VersionRecord
    from pumice.service.store.transfer import Transfer
    from pumice.service.store.trust import Guard
    from pumice.store.layout import Layout

_MOST_NAMES = 20


class Shipping:
    """What a store hands out to those who have it not at hand.

    Args:
        transfer: Finds versions.
        layout: Where packs are.
        guard: Says which versions may be used.
    """

    def __init__(self, transfer: Transfer, layout: Layout, guard: Guard) -> None:
        self._transfer = transfer
        self._layout = layout
        self._guard = guard

    def manifest(self, ref: str) -> bytes:
        """The bytes of a version's manifest, which its digest is of.

        Raises:
            VersionNotFound: There is no such version.
            Tampered: They have changed.
            Untrusted: No trusted key signed it, and the policy is ``require``.
        """
        return self._transfer.raw_manifest(ref)

    def lay_down(self, ref: str, targets: Mapping[str, Path]) -> set[str]:
        """Write files of a version by their digests; see `Transfer.lay_down`."""
        return self._transfer.lay_down(ref, targets)

    def file(self, ref: str, path: str) -> Outgoing:
        """Open a file of a version; the caller closes it. See `Outgoing.open`."""
        found = Outgoing(self._transfer, self._layout, self._guard)
        found.open(ref, path)
        return found


class Outgoing:
    """A file that is being read. Its packs stay until it is closed; its methods block, and are called one at a time.

    Args:
        transfer: Finds versions.
        layout: Where packs are.
        guard: Says which versions may be used.

    Attributes:
        record: The version.
        file: The file.
    """

    record: VersionRecord
    file: StoredFile

    def __init__(self, transfer: Transfer, layout: Layout, guard: Guard) -> None:
        self._transfer = transfer
        self._layout = layout
        self._guard = guard
        self._held = ExitStack()

    def open(self, ref: str, path: str) -> None:
        """Find the file.

        Args:
            ref: The version.
            path: The file's path in it.

        Raises:
            VersionNotFound: There is no such version.
            MalformedInput: It has no such file.
            StillSealed: It is sealed.
            Tampered: Stored bytes have changed.
            Untrusted: No trusted key signed it, and the policy is ``require``.
            StorageFailed: Something could not be read.
        """
        with ExitStack() as stack:
            self._session = stack.enter_context(self._transfer.session())
            self._reader = stack.enter_context(PackReader(self._layout))
            self.record = self._transfer.hold(self._session, ref)
            manifest = self._transfer.manifest(self._session, self._reader, self.record)
            self._guard.admit(self.record, manifest)
            if manifest.seal:
                raise StillSealed(ref, "its files do not go over HTTP; unseal it where the store and its key are")
            self.file = _found(manifest, path)
            self._held = stack.pop_all()

    def start(self, at: int) -> None:
        """Begin at a byte; before the first `block`."""
        self._blocks = blocks_from(self.file, at, self._session, self._reader)

    def block(self) -> bytes:
        """The next bytes, each chunk held against its digest; none: the file ends.

        Raises:
            Tampered: Stored bytes have changed.
            StorageFailed: They cannot be read.
        """
        return bytes(next(self._blocks, b""))

    def close(self) -> None:
        """Let go of the packs."""
        self._held.close()


def _found(manifest: VersionManifest, path: str) -> StoredFile:
    for file in manifest.files:
        if file.path == path:
            return file
    known = ", ".join(file.path for file in manifest.files[:_MOST_NAMES])
    raise MalformedInput("parameter 'path'", f"there is no file {path[:100]!r}; it has: {known}")
