"""A caller: its connections, its dice, and how it makes one call after the other."""

from __future__ import annotations

import random
import threading
import time
from types import TracebackType
from typing import Any, Self

import grpc
import httpx
import numpy as np

from pumice import Client
from pumice.domain.errors import PumiceError
from tests.soak.ledger import RIGHT, Kind, Ledger
from tests.soak.served import Served

PATIENCE_S = 5.0
"""How much longer than its bound a caller waits before it gives up, so that it is seen to be hung."""


class Caller:
    """Makes calls of one kind; use it in a ``with`` block.

    Args:
        kind: What it does.
        served: Whom it asks.
        seed: Of its dice.

    Attributes:
        served: Whom it asks.
        dice: Where its choices come from.
        http: Its connections, with its key.
        client: The same as our own client; it never asks twice.
        channel: Its gRPC connection.
    """

    def __init__(self, kind: Kind, served: Served, seed: int) -> None:
        limit = kind.bound_s + PATIENCE_S
        self.kind = kind
        self.served = served
        self.limit_s = limit
        self.dice = random.Random(seed)
        self.metadata = tuple(served.bearer(served.key).items())
        self.http = httpx.Client(base_url=served.server.url, headers=served.bearer(served.key), timeout=limit)
        self.client = Client(served.server.url, served.key, timeout=limit, retries=0)
        self.channel = grpc.insecure_channel(served.server.grpc, [("grpc.use_local_subchannel_pool", 1)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.client.close()
        self.channel.close()

    def run(self, ledger: Ledger, enough: threading.Event, pause_s: float) -> None:
        """Make calls until it is enough, with at least this pause between them (s)."""
        while not enough.is_set():
            started = time.monotonic()
            outcome = self._act()
            ledger.note(self.kind, outcome, time.monotonic() - started)
            enough.wait(max(self.kind.pause_s * self.dice.uniform(0.5, 1.5), pause_s))

    def _act(self) -> str:
        try:
            return self.kind.act(self)
        except grpc.RpcError as error:
            return str(error.code().name)
        except PumiceError as error:
            return type(error).__name__
        except (httpx.HTTPError, OSError, ValueError, LookupError) as error:
            return f"{type(error).__name__}: {error}"

    def row(self) -> np.ndarray:
        """Some rows that no model stumbles over."""
        return np.array(self.dice.choices(range(200, 600), k=4 * self.dice.randint(1, 3)), np.float32).reshape(-1, 4)

    def admin(self, method: str, path: str, body: object = None, key: str = "") -> httpx.Response:
        """Call a route with another key, the one that may do everything if none is named."""
        return self.http.request(method, path, json=body, headers=self.served.bearer(key or self.served.admin))


def judged(answer: httpx.Response, right: object) -> str:
    """Say whether an inference was answered with these numbers; an error is named by its status."""
    if answer.status_code != 200:
        if answer.status_code in {429, 503} and "retry-after" not in answer.headers:
            return f"{answer.status_code} without Retry-After: {answer.text}"
        return str(answer.status_code)
    return same(answer.json()["outputs"][0]["data"], right)


def same(given: Any, right: Any) -> str:
    """Say whether these are the same numbers."""
    return RIGHT if np.array_equal(np.ravel(given), np.ravel(right)) else f"wrong: {given}, not {right}"
