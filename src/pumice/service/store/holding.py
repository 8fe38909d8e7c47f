"""A stored version in the hands of a process that serves it.

`Store.hold` makes one. Whoever serves a version of the store has a `HeldVersion` from before its first replica starts
until its last one has ended, and closes it then; a lease on what is served begins and ends with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.records import VersionRecord
from pumice.service.store.serving import ServedLease
from pumice.store.memory import MemoryFile


class HeldVersion:
    """A version whose files are in memory, checked.

    Args:
        record: The version.
        manifest: What is known of it; of a sealed one what was sealed.
        files: Its files; their descriptors are closed with it.
        lease: Says that it is served; ended with it.
        sealed: Whether nobody is to read them without a key.

    Attributes:
        record: The version.
        manifest: What its digest stands for.
        files: Its files in memory, in the order of the manifest.
        sealed: Whether nobody is to read them without a key: what has them must write them nowhere.
    """

    def __init__(
        self,
        record: VersionRecord,
        manifest: VersionManifest,
        files: Sequence[MemoryFile],
        lease: ServedLease,
        *,
        sealed: bool,
    ) -> None:
        self.record = record
        self.sealed = sealed
        self.manifest = manifest
        self.files = tuple(files)
        self._lease = lease

    def close(self) -> None:
        """Give the memory back; replicas that have the files open keep them."""
        for file in self.files:
            os.close(file.fd)
        self.files = ()
        self._lease.close()
