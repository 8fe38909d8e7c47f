"""What the operations on models need of the process level, and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pumice.config import ModelSettings
from pumice.observe.stats import VersionStats
from pumice.runtime.front.version import ServedVersion


class Launcher(Protocol):
    """Starts replicas and ends them; the composition root is one."""

    async def launch(self, settings: ModelSettings, stats: VersionStats) -> ServedVersion:
        """Start a version's replicas and look after them; return when all of them can be asked.

        Args:
            settings: How it is served, every value filled.
            stats: Its counters, which go on from an earlier time in memory.

        Raises:
            PumiceError: It cannot be loaded; nothing of it is left.
        """

    async def retire(self, served: ServedVersion) -> None:
        """End a version that is not in the catalog any more, when what it has taken is answered.

        If this is cancelled it is ended at once.
        """

    async def stop(self, served: ServedVersion) -> None:
        """End a version at once; what waits for it is refused."""


@dataclass(frozen=True, slots=True)
class ModelsOptions:
    """Limits of the models.

    Attributes:
        load_timeout: Longest that loading one may take, and that a request waits for it (s).
        max_queue: Most requests that wait for one model to be loaded.
        memory_budget: Memory that replicas may take (bytes); 0: no limit.
        max_loaded: Most versions in memory; 0: no limit.
        roots: Folders below which a caller may name sources.
        modules: Python modules of which a caller may name classes.
        stored: Models of the store of which a caller may have versions loaded that are code.
        uploads: Where the files that callers send are kept.
        max_upload_bytes: Most that the files of one call may have (bytes).
        keep_warm: How long a version that an alias left stays in memory (s); 0: it goes at once.
    """

    load_timeout: float = 600.0
    max_queue: int = 10_000
    memory_budget: int = 0
    max_loaded: int = 0
    roots: tuple[Path, ...] = ()
    modules: frozenset[str] = field(default_factory=frozenset)
    stored: frozenset[str] = field(default_factory=frozenset)
    uploads: Path = Path("uploads")
    max_upload_bytes: int = 64 * 1024 * 1024
    keep_warm: float = 600.0
