"""Served versions that answer within the process, each in one way that a test needs, and a server of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import uvicorn

from pumice.domain.errors import ModelFailed, ModelNotReady, Overloaded
from pumice.domain.model import Profile, Task
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import Signature, SignatureCheck, Tensor
from pumice.gateway.http.app import HttpContext, http_app
from pumice.observe.stats import VersionStats
from pumice.runtime.front.news import ReplicaState
from pumice.runtime.front.replica import Replica
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.inference import Inference
from pumice.service.store import Store
from pumice.service.store.opened import OpenStore
from pumice.service.tasks import Tasks
from tests.support.known import models_of
from tests.support.loops import OnLoop

MAX_BODY = 100_000

Outputs = dict[str, np.ndarray]
Answer = Callable[[InferRequest], Awaitable[Outputs]]


@dataclass
class LocalReplica:
    """A replica that is nothing but its state."""

    name: str
    state: ReplicaState
    pid: int = 0


class LocalVersion(ServedVersion):
    """A version without processes.

    Args:
        name: Name of the model.
        profile: None: it is still loading.
        answer: Answers a request.
        version: Its version.
        problem: Why it cannot answer.
    """

    def __init__(
        self, name: str, profile: Profile | None, answer: Answer, *, version: str = "1", problem: str = ""
    ) -> None:
        self.name = name
        self.version = version
        self.profile = profile
        self.stats = VersionStats()
        self.seen: list[InferRequest] = []
        self._answer = answer
        self._why = problem if profile else "loading"
        state = ReplicaState.STARTING if self._why else ReplicaState.READY
        self.replicas = cast("list[Replica]", [LocalReplica(f"{name}/{version}#0", state)])

    @property
    def ready(self) -> bool:
        return not self._why

    @property
    def reason(self) -> str:
        return self._why

    @property
    def depth(self) -> int:
        return 0

    @property
    def inflight(self) -> int:
        return 0

    def check(self, request: InferRequest) -> Profile:
        if self.profile is None:
            raise ModelNotReady(self.name, self.reason)
        check = SignatureCheck(self.name, self.profile.signature, batchable=self.profile.batchable)
        request.rows = check.rows(request.inputs)
        return self.profile

    async def infer(self, request: InferRequest) -> InferResult:
        self.seen.append(request)
        if self._why:
            raise ModelNotReady(self.name, self._why)
        return InferResult(await self._answer(request), self.name, self.version)


def profile(signature: Signature, task: Task = "tensor", labels: tuple[str, ...] = ()) -> Profile:
    return Profile(
        "python",
        "python",
        task,
        signature,
        batchable=signature.batchable,
        labels=list(labels),
        placement={"provider": "cpu", "threads": 1},
        description=f"A model for the task {task}." if labels else "",
    )


def texts(values: list[str]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = [value.encode() for value in values]
    return array


async def double(request: InferRequest) -> Outputs:
    return {"y": request.inputs["x"] * 2}


async def classify(request: InferRequest) -> Outputs:
    good = np.array(["好" in text.decode() or b"good" in text for text in request.inputs["text"]])
    scores = np.where(good[:, None], [0.25, 0.75], [0.875, 0.125]).astype(np.float32)
    labels = texts(["positive" if one else "negative" for one in good])
    return {"label": labels, "score": scores.max(axis=1), "scores": scores}


async def embed(request: InferRequest) -> Outputs:
    return {"embedding": np.array([[len(text), 0.5] for text in request.inputs["text"]], np.float32)}


async def swap(request: InferRequest) -> Outputs:
    return {"text": request.inputs["text"], "sum": request.inputs["x"].sum(axis=1)}


async def total(request: InferRequest) -> Outputs:
    return {"total": request.inputs["x"].sum()}


async def raises(request: InferRequest) -> Outputs:
    raise ModelFailed("fails", "division by zero")


async def explodes(request: InferRequest) -> Outputs:
    raise RuntimeError("a secret of the server")


async def refuses(request: InferRequest) -> Outputs:
    raise Overloaded("10 requests are waiting for model 'full'", retry_after_s=2.5)


async def never(request: InferRequest) -> Outputs:
    await asyncio.Event().wait()
    return {}


ROW = Signature([Tensor("x", "FP32", [-1, 4])], [Tensor("y", "FP32", [-1, 4])])
TEXT = Tensor("text", "BYTES", [-1])
LABELLED = Signature(
    [TEXT], [Tensor("label", "BYTES", [-1]), Tensor("score", "FP32", [-1]), Tensor("scores", "FP32", [-1, 2])]
)
EMBEDDED = Signature([TEXT], [Tensor("embedding", "FP32", [-1, 2])])
PAIR = Signature([TEXT, Tensor("x", "FP32", [-1, 2])], [TEXT, Tensor("sum", "FP32", [-1])])
WHOLE = Signature([Tensor("x", "FP32", [2, 2])], [Tensor("total", "FP32", [])])
ODD_NAME = "odd/名 %2F"


def healthy_versions() -> list[LocalVersion]:
    """Versions that answer."""
    return [
        LocalVersion("double", profile(ROW), double),
        LocalVersion("double", profile(ROW), double, version="2"),
        LocalVersion("sentiment", profile(LABELLED, "text-classification", ("negative", "positive")), classify),
        LocalVersion("embed", profile(EMBEDDED, "text-embedding"), embed),
        LocalVersion("pair", profile(PAIR), swap),
        LocalVersion("whole", profile(WHOLE), total),
        LocalVersion(ODD_NAME, profile(ROW), double),
    ]


def troubled_versions() -> list[LocalVersion]:
    """Versions that do not, each for another reason."""
    return [
        LocalVersion("fails", profile(ROW), raises),
        LocalVersion("explodes", profile(ROW), explodes),
        LocalVersion("full", profile(ROW), refuses),
        LocalVersion("slow", profile(ROW), never),
        LocalVersion("loading", None, double),
        LocalVersion("down", profile(ROW), double, problem="its weights are gone"),
    ]


@dataclass
class LocalServer(OnLoop):
    """A server in a thread of this process.

    Attributes:
        url: Base of its addresses.
        catalog: What it serves.
        loop: Its event loop.
    """

    url: str
    catalog: Catalog
    loop: asyncio.AbstractEventLoop

    def version(self, name: str, version: str = "") -> LocalVersion:
        return cast("LocalVersion", self.catalog.find(name, version))


@contextmanager
def local_server(versions: list[LocalVersion], home: Path) -> Iterator[LocalServer]:
    """Serve these versions on a free port."""
    catalog = Catalog()
    models = models_of(catalog, versions)
    inference = Inference(catalog)
    tasks = Tasks(inference, home)
    store = OpenStore(lambda: Store(home))
    app = http_app(HttpContext(inference, tasks, models, store, max_body_bytes=MAX_BODY, started=1_700_000_000))
    config = uvicorn.Config(
        app, port=0, lifespan="off", log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    sock = config.bind_socket()
    sock.listen()  # who comes before the server takes connections waits
    running: list[asyncio.AbstractEventLoop] = []
    up = threading.Event()

    async def serve() -> None:
        running.append(asyncio.get_running_loop())
        up.set()
        await server._serve([sock])
        await tasks.stop(0)
        await store.close()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    up.wait()
    try:
        yield LocalServer(f"http://127.0.0.1:{sock.getsockname()[1]}", catalog, running[0])
    finally:
        server.should_exit = True
        thread.join()
        sock.close()
