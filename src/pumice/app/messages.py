"""What the parent and its fronts say to each other."""

from __future__ import annotations

import msgspec

from pumice.config import ModelSettings, Settings
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
    """Parent: there is this version from now on.

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


class Open(msgspec.Struct, frozen=True, tag=True):
    """Parent: all that there is was said; open the doors. Answered when they are open."""


class Attached(msgspec.Struct, frozen=True, tag=True):
    """Parent: tell when every version can be asked."""


class Report(msgspec.Struct, frozen=True, tag=True):
    """Parent: tell what you have counted. Answered with a list of `VersionReport`."""


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Parent: does your loop turn?"""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Parent: take nothing new, answer what you have, and end."""


ToFront = Begin | Serve | News | Open | Attached | Report | Ping | Stop


class Observe(msgspec.Struct, frozen=True, tag=True):
    """Front: what have all processes counted? Answered with an `Observed`."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Front: it cannot serve.

    Attributes:
        problem: Why.
    """

    problem: str


ToParent = Observe | Failed


class Observed(msgspec.Struct, frozen=True):
    """What all processes of the server counted.

    Attributes:
        versions: One report for each process and version; they are to be summed up.
        processes: What the processes use.
    """

    versions: list[VersionReport]
    processes: ProcessUse
