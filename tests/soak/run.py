"""The soak itself: rounds of load and faults, a calm look after each, and the verdict."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.soak.caller import Caller
from tests.soak.calls import kinds
from tests.soak.census import Census, look
from tests.soak.faults import faults
from tests.soak.ledger import Ledger
from tests.soak.served import Served, served
from tests.soak.trend import rises

CALM_WITHIN_S = 90.0
"""Longest time from the end of a round until nothing is under way and every replica is ready."""

SETTLES_WITHIN_S = 20.0
"""Longest time from then on until every count is where it was."""

LOOK_AGAIN_S = 0.2

LAZY = {"front threads": 8}
"""What may still be made after warm-up, since it is made when first needed and bounded: threads of pools."""


@dataclass(frozen=True)
class Plan:
    """How long it goes.

    Attributes:
        rounds: Rounds of load that are looked at.
        warm_up: Rounds before them.
        round_s: Length of a round's load (s).
        workers: Front processes.
        seed: Of all dice.
        pause_s: Shortest pause of a caller between two calls (s).
        patience: How many times longer than on a quiet machine everything may take.
    """

    rounds: int
    warm_up: int
    round_s: float
    workers: int = 1
    seed: int = 1
    pause_s: float = 0.0
    patience: float = 1.0


@dataclass
class Result:
    """What was seen.

    Attributes:
        ledger: What became of every call.
        looks: The calm look after each round, those of the warm-up first.
        warm_up: How many looks belong to the warm-up.
        problems: What is wrong; empty if nothing is.
        seconds: How long it took.
        log: The end of the server's log, if something is wrong.
    """

    ledger: Ledger
    warm_up: int
    looks: list[Census] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    log: str = ""

    def steady(self) -> list[float]:
        """Memory of the replicas that lived from the warm-up to the end, at each look (bytes)."""
        looks = self.looks[self.warm_up :]
        stayed = set.intersection(*(set(one.replicas) for one in looks)) if looks else set()
        return [float(sum(one.replicas[pid] for pid in stayed)) for one in looks]


Tell = Callable[[int, Result], None]


def soak(plan: Plan, folder: Path, tell: Tell) -> Result:
    """Run a server in this folder under load and faults.

    Args:
        plan: How long.
        folder: An empty folder.
        tell: Called after each round with its number.
    """
    result = Result(Ledger(), plan.warm_up)
    started = time.monotonic()
    with served(folder, plan.workers) as running:
        for number in range(plan.warm_up + plan.rounds):
            _round(plan, number, running, result.ledger)
            settled = _settle(running, result.looks[: plan.warm_up] if number >= plan.warm_up else [], plan.patience)
            if isinstance(settled, str):
                result.problems.append(f"after round {number + 1}: {settled}")
                break
            result.looks.append(settled)
            tell(number, result)
        alive = running.server.process.poll() is None
        result.problems += [] if alive else ["the server ended by itself"]
        code = running.server.stop()
        result.problems += [f"the server ended with exit code {code}"] if code else []
        result.log = running.server.logged()[-20_000:]
    result.seconds = time.monotonic() - started
    result.problems += [*result.ledger.problems, *_leaks(result)]
    return result


def _round(plan: Plan, number: int, running: Served, ledger: Ledger) -> None:
    """Let all callers call for a while; each has new connections."""
    enough = threading.Event()
    known = [replace(kind, bound_s=kind.bound_s * plan.patience) for kind in (*kinds(), *faults())]
    every = [kind for kind in known for _ in range(kind.callers)]
    with ExitStack() as stack, ThreadPoolExecutor(len(every)) as pool:
        seeds = range(plan.seed + number * len(every), plan.seed + (number + 1) * len(every))
        callers = [stack.enter_context(Caller(kind, running, seed)) for kind, seed in zip(every, seeds, strict=True)]
        calls = [pool.submit(caller.run, ledger, enough, plan.pause_s) for caller in callers]
        enough.wait(plan.round_s)
        enough.set()
        for call in calls:
            call.result()


def _settle(running: Served, before: Sequence[Census], patience: float) -> Census | str:
    """Wait until it is calm and the counts are where they were; a leak is found later, by its count."""
    calm_within = CALM_WITHIN_S * patience
    limit = time.monotonic() + calm_within
    while not running.calm():
        if time.monotonic() > limit:
            return f"not calm within {calm_within:g} s"
        time.sleep(LOOK_AGAIN_S)
    limit = time.monotonic() + SETTLES_WITHIN_S * patience
    last = None
    while True:
        try:
            now = look(running.fronts(), running.server.replicas())
        except (FileNotFoundError, ProcessLookupError):  # one of them has just ended
            now = None
        if now is not None:
            same = last is not None and last.counts == now.counts
            if (same and not list(excess(before, now))) or time.monotonic() > limit:
                return now
        last = now
        time.sleep(LOOK_AGAIN_S)


def excess(before: Sequence[Census], now: Census) -> Iterator[str]:
    """Name what there is more of than there ever was before."""
    for name, count in now.counts.items() if before else ():
        most = max(one.counts.get(name, 0) for one in before) + LAZY.get(name, 0)
        if count > most:
            yield f"{name}: {count}, at most {most} after warm-up"


def _leaks(result: Result) -> Iterator[str]:
    looks = result.looks[result.warm_up :]
    if not looks:
        return
    yield from (f"leak: {what}" for what in excess(result.looks[: result.warm_up], looks[-1]))
    for name, series in (("front", [float(one.front) for one in looks]), ("replicas", result.steady())):
        grown = rises(series)
        if grown:
            yield f"leak: memory of the {name} {grown}"
