"""What the parent and its fronts say to each other."""

from __future__ import annotations

from typing import Any

import msgspec

from pumice.config import ModelSettings, Settings
from pumice.domain.model import Profile
from pumice.observe.observed import ProcessUse
from pumice.observe.report import VersionReport
from pumice.runtime.front.news import ReplicaNews


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Parent: the first word to a new front.

    Attributes:
        number: Counts the fronts from 1; one that is started again has the number of the one before.
        settings: All settings; the ports are those that were chosen.
    """

    number: int
    settings: Settings


class Serve(msgspec.Struct, frozen=True, tag=True):
    """Parent: these replicas are started; connect to them. Nobody is given the version before a `Flip` says so.

    Attributes:
        key: Counts the versions that were ever started.
        settings: How it is served, every value filled.
    """

    key: int
    settings: ModelSettings


class News(msgspec.Struct, frozen=True, tag=True):
    """Parent: a replica has changed.

    Attributes:
        key: Of its version.
        news: The replica as it stands.
    """

    key: int
    news: ReplicaNews


class Awake(msgspec.Struct, frozen=True, tag=True):
    """A version in memory.

    Attributes:
        key: As `Serve` told.
    """

    key: int


class Asleep(msgspec.Struct, frozen=True, tag=True):
    """A version that its next request loads.

    Attributes:
        settings: How it is served, every value filled.
        profile: What its replicas said when it was last in memory.
        reason: Why it is not.
        rests_until: Moment on the monotonic clock until which another try to load it would be a waste (s).
    """

    settings: ModelSettings
    profile: Profile | None
    reason: str
    rests_until: float


class Flip(msgspec.Struct, frozen=True, tag=True):
    """Parent: serve these versions of a model from now on, and no others; all at once.

    Attributes:
        model: Name of the model.
        faces: Its versions, in their order.
    """

    model: str
    faces: list[Awake | Asleep]


class Retire(msgspec.Struct, frozen=True, tag=True):
    """Parent: answer what this version, which is not served any more, has taken, and leave it. Answered then.

    Attributes:
        key: As `Serve` told.
    """

    key: int


class End(msgspec.Struct, frozen=True, tag=True):
    """Parent: leave this version at once.

    Attributes:
        key: As `Serve` told.
        why: What those that wait for it are told; that the server stops, if empty.
    """

    key: int
    why: str


class Open(msgspec.Struct, frozen=True, tag=True):
    """Parent: all that there is was said; open the doors. Answered when they are open."""


class Attached(msgspec.Struct, frozen=True, tag=True):
    """Parent: tell when these versions can be asked.

    Attributes:
        keys: As `Serve` told.
    """

    keys: list[int]


class Report(msgspec.Struct, frozen=True, tag=True):
    """Parent: tell what you have counted. Answered with a list of `VersionReport`."""


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Parent: does your loop turn? The answer says too that what was told before is done."""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Parent: take nothing new, answer what you have, and end."""


ToFront = Begin | Serve | News | Flip | Retire | End | Open | Attached | Report | Ping | Stop


class Observe(msgspec.Struct, frozen=True, tag=True):
    """Front: what have all processes counted? Answered with an `Observed`."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Front: it cannot serve.

    Attributes:
        problem: Why.
    """

    problem: str


class Use(msgspec.Struct, frozen=True):
    """How a front uses a version in memory.

    Attributes:
        key: As `Serve` told.
        last_used: When it was last asked, on the monotonic clock (s).
        inflight: Requests that wait or run.
    """

    key: int
    last_used: float
    inflight: int


class Used(msgspec.Struct, frozen=True, tag=True):
    """Front: how it uses what is in memory. Told about once a second, where there is a limit to that.

    Attributes:
        uses: One for each version.
    """

    uses: list[Use]


class Wake(msgspec.Struct, frozen=True, tag=True):
    """Front: a request needs a version that is asleep. Answered with its key when it can be asked.

    Attributes:
        model: Name of the model.
        version: Its version.
    """

    model: str
    version: str


class Index(msgspec.Struct, frozen=True, tag=True):
    """Front: which models are known? Answered with a list of `ModelState`.

    Attributes:
        ready: Only those that can answer.
    """

    ready: bool


class Change(msgspec.Struct, frozen=True, tag=True):
    """Front: a caller wants a model to be loaded or unloaded. Answered when every front has done so.

    Attributes:
        load: Loaded rather than unloaded.
        model: Name of the model.
        parameters: As `Models.load` and `Models.unload` take them.
    """

    load: bool
    model: str
    parameters: dict[str, Any]


ToParent = Observe | Failed | Used | Wake | Index | Change


class Observed(msgspec.Struct, frozen=True):
    """What all processes of the server counted.

    Attributes:
        versions: One report for each process and version; they are to be summed up.
        processes: What the processes use.
    """

    versions: list[VersionReport]
    processes: ProcessUse
