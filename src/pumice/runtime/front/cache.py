"""Answers that are kept, and equal requests in flight that are computed once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec
from cachetools import TTLCache

from pumice.domain.errors import Cancelled, PumiceError
from pumice.domain.request import InferRequest, InferResult
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import pack
from pumice.runtime.front.ticket import Done, Ticket

Compute = Callable[[InferRequest, Done, float | None], Ticket]
"""Runs a request; the last argument is the moment at which its caller stops waiting (s), or None."""

_ENTRY_BYTES = 500
"""What an entry costs besides its arrays (bytes)."""


class _Flight:
    """Equal requests whose answer is being computed.

    Attributes:
        tickets: Of all callers.
        waiting: How many of them still wait.
        run: The request that computes it, for all of them.
    """

    __slots__ = ("run", "tickets", "waiting")

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []
        self.waiting = 0
        self.run: Ticket | None = None


class ResponseCache:
    """The cache of one version; so no answer can be another model's or version's.

    Args:
        size: Bound of the kept answers (bytes).
        ttl: How long an answer is good (s).
        stats: Counts hits, misses and joined requests.
    """

    def __init__(self, size: int, ttl: float, stats: VersionStats) -> None:
        self._kept: TTLCache[bytes, InferResult] = TTLCache(size, ttl, getsizeof=_size)
        self._size = size
        self._flights: dict[bytes, _Flight] = {}
        self._stats = stats

    def ask(self, request: InferRequest, done: Done, compute: Compute) -> Ticket:
        """Answer from the cache, join a flight, or start one.

        Args:
            request: What is asked.
            done: Called with the answer, at once on a hit.
            compute: Runs a request.

        Returns:
            The caller's own ticket: cancelling it leaves the flight to those who still wait.
        """
        begun = time.perf_counter()
        key = request_key(request)
        ticket = Ticket(request, None, 0.0, done)
        kept = self._kept.get(key)
        result = "hit" if kept is not None else "joined" if key in self._flights else "miss"
        self._stats.cache[result] += 1
        self._stats.cache_seconds[result] += time.perf_counter() - begun
        if kept is not None:
            ticket.succeed(kept)
            return ticket
        flight = self._flights.get(key)
        if flight is not None:
            self._board(key, flight, ticket)
            return ticket
        flight = self._flights[key] = _Flight()
        self._board(key, flight, ticket)
        try:
            # each caller's own deadline is kept by its ticket; the flight goes on for those who still wait
            flight.run = compute(replace(request, deadline=None), partial(self._landed, key), request.deadline)
        except PumiceError:
            del self._flights[key]
            raise
        return ticket

    def _board(self, key: bytes, flight: _Flight, ticket: Ticket) -> None:
        flight.tickets.append(ticket)
        flight.waiting += 1
        ticket.on_cancel(partial(self._left, key, flight))

    def _left(self, key: bytes, flight: _Flight) -> None:
        flight.waiting -= 1
        if not flight.waiting and self._flights.get(key) is flight:
            del self._flights[key]
            if flight.run is not None:
                flight.run.cancel()

    def _landed(self, key: bytes, result: InferResult | None, error: PumiceError | None) -> None:
        waiting = [ticket for ticket in self._flights.pop(key).tickets if not ticket.finished]
        if result is None:
            for ticket in waiting:
                ticket.fail(error or Cancelled())
            return
        kept = replace(result, outputs={k: v.copy() for k, v in result.outputs.items()}, cached=True)
        if _size(kept) <= self._size:
            self._kept[key] = kept
        for ticket in waiting:
            ticket.succeed(result)


def request_key(request: InferRequest) -> bytes:
    """Digest of the names, datatypes, shapes and bytes of all inputs, and of the parameters."""
    packed = pack([dict(sorted(request.inputs.items()))], request.rows)
    digest = hashlib.blake2b(msgspec.msgpack.encode((packed.heads, sorted(request.parameters.items()))), digest_size=32)
    for tensor in packed.pieces:
        for array in tensor:
            digest.update(array.data if array.size else b"")
    return digest.digest()


def _size(result: InferResult) -> int:
    total = _ENTRY_BYTES
    for array in result.outputs.values():
        total += array.nbytes
        if array.dtype.kind == "O":
            total += sum(len(item) + 33 for item in array.ravel().tolist())
    return total
