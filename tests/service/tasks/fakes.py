"""A service whose models are plain functions, and a clock whose hands the test turns."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pumice.db import Place
from pumice.domain.errors import ModelNotFound, ModelNotReady, SignatureMismatch
from pumice.domain.request import InferRequest, InferResult
from pumice.service.tasks import TaskOptions, Tasks

EVERY_S = TaskOptions().every
"""How often gateways keep house (s)."""

Model = Callable[[InferRequest], Awaitable[None]]


class Names:
    """The models that are served."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)

    def find(self, model: str, version: str = "") -> object:
        if model not in self.names:
            raise ModelNotFound(model, version, tuple(self.names))
        return model


class Doubler:
    """Serves models that double ``x``; `hook` is awaited before each answer and may raise."""

    def __init__(self, *names: str, hook: Callable[[str, InferRequest], Awaitable[None]] | None = None) -> None:
        self.catalog = Names(*(names or ("double",)))
        self.hook = hook
        self.loading = False
        self.runs: list[tuple[str, float]] = []
        self.sizes: list[int] = []
        self.running = 0
        self.most_running = 0
        self.counted: Counter[str] = Counter()
        self.pending: dict[tuple[str, str], int] = {}

    def count_task(self, model: str, version: str, state: str) -> None:
        del model, version
        self.counted[state] += 1

    count_webhook = count_task

    def show_pending_tasks(self, pending: Mapping[tuple[str, str], int]) -> None:
        self.pending = dict(pending)

    def check(self, model: str, version: str, request: InferRequest) -> object:
        self.catalog.find(model, version)
        if self.loading:
            raise ModelNotReady(model, "loading")
        if "x" not in request.inputs:
            raise SignatureMismatch(model, "the request", "no input 'x'", "x")
        request.rows = len(request.inputs["x"])
        return model

    async def divisible(self, model: str, version: str, deadline: float | None = None) -> bool:
        del deadline
        self.catalog.find(model, version)
        return True

    async def infer(self, model: str, version: str, request: InferRequest) -> InferResult:
        self.check(model, version, request)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            self.runs.append((model, value_of(request)))
            self.sizes.append(len(request.inputs["x"]))
            if self.hook is not None:
                await self.hook(model, request)
            return InferResult({"y": request.inputs["x"] * 2}, model, "1")
        finally:
            self.running -= 1


class Gate:
    """A hook that lets requests pass once it is open, and tells when some have come."""

    def __init__(self) -> None:
        self.came = 0
        self._open = asyncio.Event()
        self._arrival = asyncio.Condition()

    async def __call__(self, _model: str, _request: InferRequest) -> None:
        async with self._arrival:
            self.came += 1
            self._arrival.notify_all()
        await self._open.wait()

    def open(self) -> None:
        self._open.set()

    async def until(self, came: int) -> None:
        async with self._arrival:
            await self._arrival.wait_for(lambda: self.came >= came)


class HandClock:
    """A clock that stands still until it is turned."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._slept: list[float] = []
        self._change = asyncio.Event()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now - 1_000_000.0

    async def sleep(self, seconds: float) -> None:
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, waker))
        self._slept.append(seconds)
        self._change.set()
        await waker

    def turn(self, seconds: float) -> None:
        """Let time pass and wake who has slept enough."""
        self._now += seconds
        for due, waker in self._sleepers:
            if due <= self._now and not waker.done():
                waker.set_result(None)
        self._sleepers = [(due, waker) for due, waker in self._sleepers if not waker.done()]

    async def until_slept(self, matches: Callable[[float], bool], times: int = 1) -> list[float]:
        """Wait until somebody has gone to sleep for such a time so often; return these times in their order."""
        while len(found := [seconds for seconds in self._slept if matches(seconds)]) < times:
            self._change.clear()
            await self._change.wait()
        return found


def ask(x: float, *, priority: int = 8, rows: int = 1) -> InferRequest:
    """A request for double ``x``."""
    return InferRequest({"x": np.full((rows, 4), x, dtype=np.float32)}, priority=priority)


def value_of(request: InferRequest) -> float:
    """The ``x`` of a request."""
    return float(request.inputs["x"].flat[0])


def tasks_of(place: Place | Path, runner: Doubler, clock: HandClock | None = None, **options: Any) -> Tasks:
    """Tasks of a database, or of the embedded one of a home, with small limits."""
    home, url = (place, "") if isinstance(place, Path) else (place.home, place.url)
    return Tasks(runner, home, TaskOptions(database=url, **({"result_ttl": 3600.0} | options)), clock)
