"""One version that the server knows, in memory or not."""

from __future__ import annotations

import time
from typing import Literal, NamedTuple

from pumice.config import ModelSettings
from pumice.domain.model import Profile
from pumice.observe.stats import VersionStats
from pumice.runtime.front.version import ServedVersion

State = Literal["READY", "UNAVAILABLE", "LOADING", "UNLOADING"]
"""Where a version is in its life, in the words of the Open Inference Protocol."""

NOT_LOADED = "not loaded yet: a request loads it"
IDLE = "unloaded: idle; a request loads it"
UNLOADED = "unloaded"

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class ModelState(NamedTuple):
    """A version in the index.

    Attributes:
        name: Name of the model.
        version: Its version.
        state: Where it is in its life.
        reason: Why it is there, or an empty string.
    """

    name: str
    version: str
    state: State
    reason: str


class Entry:
    """A version that the server knows.

    Args:
        settings: How it is served, every value filled.
        stats: Its counters, if it was known before.

    Attributes:
        settings: How it is served.
        stats: Its counters; they outlive its times in memory.
        served: It, while it is in memory.
        profile: What its replicas said when it was last in memory.
        nbytes: Memory that its replicas took when they were last measured (bytes); 0: never measured.
        waiting: Requests that wait for it to be loaded.
        reserved: It is about to be loaded, and counts as in memory.
        moving: What is being done with it.
        reason: Why it is not in memory.
        loaded_at: When it came into memory, on the monotonic clock (s).
        warm: Its alias has left it, and it is kept for the way back.
        rests_until: Until when, on that clock, another try to load it would be a waste (s).
    """

    def __init__(self, settings: ModelSettings, stats: VersionStats | None = None) -> None:
        self.settings = settings
        self.stats = stats or VersionStats()
        self.served: ServedVersion | None = None
        self.profile: Profile | None = None
        self.nbytes = 0
        self.waiting = 0
        self.reserved = False
        self.moving: Literal["", "LOADING", "UNLOADING"] = ""
        self.reason = NOT_LOADED
        self.loaded_at = 0.0
        self.warm = False
        self._failures = 0
        self.rests_until = 0.0

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"model '{self.settings.name}' version {self.settings.version}"

    @property
    def pinned(self) -> bool:
        """Whether it stays in memory however idle it is."""
        return self.settings.preload is True and not self.warm

    @property
    def may_go(self) -> bool:
        """Whether it may be made to leave the memory."""
        return self.served is not None and not (self.pinned or self.moving or self.waiting)

    @property
    def idle(self) -> bool:
        """Whether it may leave the memory, and nobody asks it now."""
        return self.may_go and self.served is not None and not self.served.inflight

    @property
    def state(self) -> ModelState:
        """It in the index."""
        served = self.served
        name, version = self.settings.name, self.settings.version
        if served is not None and self.moving != "UNLOADING":
            if served.ready:
                return ModelState(name, version, "READY", "")
            return ModelState(name, version, "LOADING" if served.reason == "loading" else "UNAVAILABLE", served.reason)
        if self.moving:
            return ModelState(name, version, self.moving, "")
        return ModelState(name, version, "UNAVAILABLE", self.reason)

    @property
    def resting(self) -> bool:
        """Whether its last load failed so lately that another try would be a waste."""
        return time.monotonic() < self.rests_until

    def came(self, served: ServedVersion) -> None:
        """It is in memory."""
        self.served, self.profile, self.reason = served, served.profile, ""
        self.loaded_at = time.monotonic()
        self._failures, self.rests_until = 0, 0.0

    def went(self, reason: str) -> ServedVersion | None:
        """It is not in memory any more; give what it was."""
        served, self.served, self.reason = self.served, None, reason
        if served is not None:
            self.profile = served.profile
        return served

    def failed(self, reason: str) -> None:
        """It could not be loaded."""
        self.reason = reason
        self.rests_until = time.monotonic() + min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 16)
