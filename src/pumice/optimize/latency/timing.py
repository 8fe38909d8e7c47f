"""Two models run the same batches in turn, so that a slow moment of the machine hits both."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from pumice.domain.signature import Arrays

Answer = Callable[[Arrays], object]
"""Runs a model on one batch."""

Clock = Callable[[], float]
"""The time (s), of any beginning."""

FEWEST = 16
"""Pairs without which nothing is proven at the usual errors, even if all of them say the same."""

_WARM_RUNS = 2
_SHORT_S = 0.02
_MOST_RUNS = 5


class Pairs(msgspec.Struct, frozen=True):
    """Times of two models on the same batches.

    Attributes:
        base: Of the base, in order (ms).
        value: Of the candidate, on the same batches (ms).
        seconds: How long it took (s).
    """

    base: list[float]
    value: list[float]
    seconds: float


def time_pairs(
    base: Answer, candidate: Answer, batches: Sequence[Arrays], clock: Clock = time.perf_counter, longest: float = 1e9
) -> Pairs:
    """Time two models on the same batches, one behind the other; which goes first changes from pair to pair.

    Both run twice before anything is timed. A short run is timed several times, in turn with the other model's, and the
    shortest counts: what else runs on the machine can only lengthen it, and by many times its own length. Python's
    collector of garbage rests meanwhile; the threads' processors are left as they are.

    Args:
        base: The original.
        candidate: The lighter one.
        batches: One batch a pair.
        clock: Tells the time (s).
        longest: No further pair is begun after so much time (s), but `FEWEST` are timed in any case.
    """
    both = (base, candidate)
    times: tuple[list[float], list[float]] = ([], [])
    with _no_collector():
        warm = min(_timed(model, batches[0], clock) for _ in range(_WARM_RUNS) for model in both)
        again = max(1, min(_MOST_RUNS, int(_SHORT_S / max(warm, _SHORT_S / _MOST_RUNS))))
        started = clock()
        for turn, batch in enumerate(batches):
            order = (0, 1) if turn % 2 else (1, 0)
            shortest = [math.inf, math.inf]
            for which in order * again:
                shortest[which] = min(shortest[which], _timed(both[which], batch, clock))
            for which in order:
                times[which].append(shortest[which] * 1000)
            if clock() - started > longest and turn + 1 >= FEWEST:
                break
        spent = clock() - started
    return Pairs(*times, spent)


def _timed(model: Answer, batch: Arrays, clock: Clock) -> float:
    begun = clock()
    model(batch)
    return clock() - begun


@contextlib.contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the collector of garbage from running into a time."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
