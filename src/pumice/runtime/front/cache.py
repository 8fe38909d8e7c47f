"""Answers that are kept, and equal requests in flight that are computed once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace

import msgspec
from cachetools import TTLCache

from pumice.domain.errors import Cancelled, PumiceError
from pumice.domain.request import InferRequest, InferResult
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import pack
from pumice.runtime.front.ticket import Done, Ticket

Compute = Callable[[InferRequest, Done], Ticket]

_ENTRY_BYTES = 500
"""What an entry costs besides its arrays (bytes)."""


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
        self._flights: dict[bytes, list[Ticket]] = {}
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
            flight.append(ticket)
            return ticket
        self._flights[key] = [ticket]
        try:
            self._fly(key, request, compute)
        except PumiceError:
            del self._flights[key]
            raise
        return ticket

    def _fly(self, key: bytes, request: InferRequest, compute: Compute) -> None:
        def landed(result: InferResult | None, error: PumiceError | None) -> None:
            waiting = [ticket for ticket in self._flights.pop(key) if not ticket.finished]
            if result is None:
                for ticket in waiting:
                    ticket.fail(error or Cancelled())
                return
            kept = replace(result, outputs={k: v.copy() for k, v in result.outputs.items()}, cached=True)
            if _size(kept) <= self._size:
                self._kept[key] = kept
            for ticket in waiting:
                ticket.succeed(result)

        # each caller's own deadline is kept by its ticket; the flight goes on for those who still wait
        compute(replace(request, deadline=None), landed)


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
