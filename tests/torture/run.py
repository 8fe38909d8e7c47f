"""Runs the probes one after the other, each within its limit, and keeps the server alive between them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator

from tests.torture.process import START_S
from tests.torture.target import Target
from tests.torture.verdicts import PROBES, Failed, NotApplicable, Outcome, Probe, Verdict

SETTLE_S = 5.0


class NoServer(Exception):
    """The server does not answer the probe model at all."""


def chosen(only: list[str]) -> list[Probe]:
    """The probes whose ids begin with one of these; all of them if none is named."""
    return [probe for probe in PROBES if not only or any(probe.name.startswith(start) for start in only)]


def torture(target: Target, probes: list[Probe]) -> Iterator[Outcome]:
    """Run these probes.

    Raises:
        NoServer: The server does not answer the probe model before the first of them.
    """
    if target.managed:
        target.managed.start()
    if not _started(target):
        raise NoServer(f"{target.url} does not answer the model {target.model} right")
    for position, probe in enumerate(probes):
        if position and not target.managed and not _until(target.well, SETTLE_S):
            yield Outcome(probe, Verdict.NOT_APPLICABLE, "not run: the server did not answer before it", 0)
            continue
        begun = time.monotonic()
        verdict, told = judge(probe, target)
        seconds = time.monotonic() - begun
        yield Outcome(probe, verdict, told, seconds, restarted=_settled(target) and not probe.ends_server)


def judge(probe: Probe, target: Target) -> tuple[Verdict, str]:
    """Put one question; a probe that goes beyond its limit has failed, whatever it waits for."""
    answered: queue.SimpleQueue[tuple[Verdict, str]] = queue.SimpleQueue()
    threading.Thread(target=lambda: answered.put(_put(probe, target)), daemon=True).start()
    limit = probe.limit_s + target.hang_s + target.patience_s
    try:
        return answered.get(timeout=limit)
    except queue.Empty:
        return Verdict.FAIL, f"no end within {limit:g} s"


def _put(probe: Probe, target: Target) -> tuple[Verdict, str]:
    try:
        return Verdict.PASS, probe.run(target)
    except NotApplicable as why:
        return Verdict.NOT_APPLICABLE, str(why)
    except Failed as why:
        return Verdict.FAIL, str(why)
    except Exception as error:  # noqa: BLE001 - whatever a server's odd answer leads to is a verdict on it
        return Verdict.FAIL, f"no answer that can be read: {error!r}"[:300]


def _settled(target: Target) -> bool:
    """Start a server again that does not answer any more; whether that was needed."""
    if target.managed is None or (target.managed.running() and _until(target.well, SETTLE_S)):
        return False
    target.managed.start()
    if not _started(target):
        raise NoServer(f"{target.url} did not come back")
    return True


def _started(target: Target) -> bool:
    managed = target.managed
    if managed is None:
        return _until(target.well, 2 * SETTLE_S)
    return _until(lambda: target.well() or not managed.running(), START_S) and target.well()


def _until(condition: Callable[[], bool], limit: float) -> bool:
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
