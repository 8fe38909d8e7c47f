"""The server under torture: where it is, what it serves, and requests to it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.bad_input.raw import Answered, Raw, get, post
from tests.torture.process import Managed
from tests.torture.verdicts import NotApplicable, demand

Json = dict[str, Any]
NO_ANSWER = 0
"""Stands for the status of a request that got no answer."""


@dataclass(frozen=True)
class Reply:
    """What one of several requests got.

    Attributes:
        status: Of the answer; 0 if there was none.
        headers: Of the answer.
        body: Of the answer, or why there was none.
        seconds: How long it took.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


@dataclass
class Target:
    """The server, and what its operator says of it.

    Attributes:
        url: Where it listens.
        model: Name of the probe model; `NAME_b` and `NAME_text` are its companions.
        alive: Path that answers 200 to GET while the server lives.
        adapted: The protocol is spoken by an adapter, not by the server: only `infer` is there.
        deadline: How a caller says how long it waits: `header`, `parameter` (microseconds) or `none`.
        queue: Whether the operator has bounded the queue.
        hang_s: Within what time a call that hangs must be over (s).
        patience_s: Within what time a caller that sends by drops must be cut off (s).
        managed: The server's process, where the suite has started it.
    """

    url: str
    model: str = "probe"
    alive: str = "/v2/health/live"
    adapted: bool = False
    deadline: str = "none"
    queue: bool = False
    hang_s: float = 10.0
    patience_s: float = 40.0
    managed: Managed | None = None
    _counter: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def path(self, model: str = "") -> str:
        """Where a model takes requests."""
        return f"/v2/models/{model or self.model}/infer"

    def body(self, first: float = 1.0, **more: Any) -> Json:
        """A request of one row; every row is another one, so that no cache answers it."""
        row = [first, float(next(self._counter) + 1000), 3.0, 4.0]
        return {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": row}]} | more

    def request(self, body: Json | bytes, *headers: str, model: str = "") -> bytes:
        """The bytes of a whole request."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = () if any(h.lower().startswith("content-type") for h in headers) else ("Content-Type: application/json",)
        return post(self.path(model), data, *kind, *headers)

    def open(self, limit: float = 15.0) -> Raw:
        """A connection; each wait on it is bounded (s)."""
        raw = Raw(self.url)
        raw.socket.settimeout(limit)
        return raw

    def ask(self, request: bytes, limit: float = 15.0) -> Reply:
        """Send a request on a connection of its own."""
        begun = time.monotonic()
        try:
            with self.open(limit) as raw:
                raw.try_send(request)
                answer = raw.read()
        except (OSError, ValueError, LookupError) as error:
            return Reply(NO_ANSWER, {}, repr(error).encode(), time.monotonic() - begun)
        return Reply(answer.status, answer.headers, answer.body, time.monotonic() - begun)

    def get(self, path: str) -> Reply:
        """GET."""
        return self.ask(get(path))

    def infer(self, first: float = 1.0, limit: float = 15.0) -> Reply:
        """One row."""
        return self.ask(self.request(self.body(first)), limit)

    def volley(self, requests: Sequence[bytes], limit: float = 30.0) -> list[Reply]:
        """Send all of these at the same time, each on a connection of its own."""
        with ThreadPoolExecutor(max(1, len(requests))) as pool:
            return list(pool.map(lambda request: self.ask(request, limit), requests))

    def well(self, limit: float = 5.0) -> bool:
        """Whether a plain row is answered right."""
        body = self.body()
        reply = self.ask(self.request(body), limit)
        return reply.status == 200 and answers(reply) == [2 * value for value in body["inputs"][0]["data"]]

    def demand_well(self, limit: float = 10.0) -> None:
        """Fail the probe unless a plain row is answered right within the limit."""
        end = time.monotonic() + limit
        while not self.well():
            demand(time.monotonic() < end, f"a good request afterwards got no right answer within {limit:g} s")

    @cached_property
    def extensions(self) -> list[str]:
        """What the server says it supports beyond the core."""
        told = json.loads(self.get("/v2").body or b"{}")
        return list(told.get("extensions") or [])

    def needs_protocol(self) -> None:
        """Not applicable where an adapter speaks the protocol."""
        if self.adapted:
            raise NotApplicable("the server does not speak the protocol itself")

    def needs_model(self, model: str) -> None:
        """Not applicable where the operator does not serve this companion."""
        if self.get(f"/v2/models/{model}").status != 200:
            raise NotApplicable(f"no model {model} is served")


def answers(reply: Reply | Answered) -> list[float]:
    """The numbers of the first output, flat."""
    data = strict(reply.body)["outputs"][0]["data"]
    return list(flat(data))


def flat(data: Any) -> list[Any]:
    """Nested lists as one."""
    return [item for part in data for item in flat(part)] if isinstance(data, list) else [data]


def strict(body: bytes) -> Json:
    """JSON as RFC 8259 has it: no NaN, no Infinity."""

    def refuse(name: str) -> None:
        msg = f"{name} is no JSON"
        raise ValueError(msg)

    value: Json = json.loads(body, parse_constant=refuse)
    return value


def refused(reply: Reply) -> str:
    """Demand that a request was refused as the caller's fault; the observation."""
    demand(400 <= reply.status < 500, f"answered {seen(reply)}")
    return f"refused with {reply.status}"


def refused_by_protocol(reply: Reply) -> str:
    """The same, and in the protocol's shape."""
    told = refused(reply)
    try:
        error = strict(reply.body).get("error")
    except (ValueError, AttributeError):
        error = None
    demand(isinstance(error, str) and error, f"{reply.status} without the protocol's error: {reply.body[:120]!r}")
    return told


def seen(reply: Reply) -> str:
    """A reply in a few words."""
    return f"{reply.status or 'nothing'}: {reply.body[:160].decode(errors='replace')}"
