"""Counters on their way between processes: what one process counted, and the sum of several.

The counters are objects with `__slots__` that hold numbers, dicts and each other. They are taken apart and added up by
what they are made of, so that a new counter needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pumice.observe.observed import Observed
from pumice.observe.stats import BatchTimes, Histogram, VersionStats

_LATEST = "last_"
"""Names of moments, of which the latest is kept, begin with this; all other numbers are added."""

_SHARED = frozenset({"pending_tasks"})
"""What every process sees the same of; the largest counts, and nothing of a process that is gone."""

Plain = dict[str, Any]
"""An object's values by name, as numbers, lists and dicts."""


class ReplicaReport(msgspec.Struct, frozen=True):
    """A replica as metrics show it; see `pumice.observe.observed.ObservedReplica`."""

    name: str
    state: str
    pid: int


class VersionReport(msgspec.Struct, frozen=True):
    """A served version as one process counted it.

    Attributes:
        name: Name of the model.
        version: Its version.
        stats: Its counters.
        depth: Requests that wait.
        inflight: Requests that wait or run.
        replicas: Its replicas; only from the process that keeps them.
    """

    name: str
    version: str
    stats: Plain
    depth: int = 0
    inflight: int = 0
    replicas: tuple[ReplicaReport, ...] = ()


class Whole:
    """A served version as all processes together counted it; it is an `Observed`.

    Args:
        name: Name of the model.
        version: Its version.

    Attributes:
        name: Name of the model.
        version: Its version.
        stats: The sum of the counters.
        depth: Requests that wait.
        inflight: Requests that wait or run.
        replicas: Its replicas.
    """

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version
        self.stats = VersionStats()
        self.depth = 0
        self.inflight = 0
        self.replicas: Sequence[ReplicaReport] = ()

    def add(self, report: VersionReport) -> None:
        """Add what one process counted."""
        add_plain(self.stats, report.stats)
        self.depth += report.depth
        self.inflight += report.inflight
        self.replicas = report.replicas or self.replicas


def report_of(served: Observed) -> VersionReport:
    """What this process counted of a version, without its replicas."""
    return VersionReport(served.name, served.version, to_plain(served.stats), served.depth, served.inflight)


def sum_up(reports: Iterable[VersionReport]) -> list[Whole]:
    """Add the reports of several processes, version by version, in the order in which they come up."""
    wholes: dict[tuple[str, str], Whole] = {}
    for report in reports:
        key = (report.name, report.version)
        whole = wholes.get(key)
        if whole is None:
            whole = wholes[key] = Whole(*key)
        whole.add(report)
    return list(wholes.values())


def add_report(past: list[VersionReport], report: VersionReport) -> None:
    """Add the counters of a process that is gone to those of others, so that no sum ever falls.

    Args:
        past: One report a version.
        report: What it had counted; its requests have gone with it.
    """
    report = msgspec.structs.replace(report, stats=report.stats | dict.fromkeys(_SHARED, 0))
    for index, known in enumerate(past):
        if (known.name, known.version) == (report.name, report.version):
            whole = sum_up([known, report])[0]
            past[index] = VersionReport(known.name, known.version, to_plain(whole.stats))
            return
    past.append(VersionReport(report.name, report.version, report.stats))


def to_plain(counters: object) -> Plain:
    """Take counters apart."""
    return {name: _plain(getattr(counters, name)) for name in _slots(counters)}


def add_plain(counters: object, plain: Plain) -> None:
    """Add counters that were taken apart to others of the same class; names that it does not know are left out."""
    for name in _slots(counters):
        if name in plain:
            setattr(counters, name, _added(name, getattr(counters, name), plain[name]))


def _slots(counters: object) -> Sequence[str]:
    slots: Sequence[str] = type(counters).__dict__["__slots__"]
    return slots


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return [[key, _plain(one)] for key, one in value.items()]
    if isinstance(value, Histogram | BatchTimes):
        return to_plain(value)
    return value


def _added(name: str, mine: Any, theirs: Any) -> Any:
    if isinstance(mine, dict):
        for key, value in theirs:
            known = tuple(key) if isinstance(key, list) else key
            mine[known] = _added("", mine[known] if known in mine else _nothing(value), value)
        return mine
    if isinstance(mine, Histogram | BatchTimes):
        add_plain(mine, theirs)
        return mine
    if isinstance(mine, list):
        return [one + other for one, other in zip(mine, theirs, strict=True)]
    if isinstance(mine, tuple):  # the bounds of a histogram
        return mine
    return max(mine, theirs) if name.startswith(_LATEST) or name in _SHARED else mine + theirs


def _nothing(plain: Any) -> Any:
    """The zero of a value that was taken apart."""
    if not isinstance(plain, dict):
        return 0
    return Histogram(tuple(plain["bounds"])) if "bounds" in plain else BatchTimes()
