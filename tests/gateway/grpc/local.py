"""A gRPC server over models that run in its own process: for what a whole server cannot be brought to do on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pumice import Model
from pumice.config import ModelSettings, Settings
from pumice.domain.errors import ModelNotReady
from pumice.domain.model import Profile, Task
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import SignatureCheck
from pumice.gateway.grpc import GrpcContext, GrpcOptions, GrpcServer, start_grpc
from pumice.runtime.front.pulse import Pulse
from pumice.runtime.front.ticket import Done, Ticket
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.inference import Inference
from tests.support.known import models_of


class LocalVersion(ServedVersion):
    """A version without replicas.

    Args:
        name: Name of the model.
        model: Runs the requests.
        task: What a caller sends and gets.

    Attributes:
        up: Whether it says that it is ready.
        failure: Raised instead of an answer.
        seen: The requests that came.
    """

    def __init__(self, name: str, model: Model, task: Task = "tensor") -> None:
        settings = Settings().of_model(ModelSettings(name=name, source="local", replicas=0))
        super().__init__(settings, Pulse(), max_queue=1, cache_ttl=1)
        self.profile = Profile(engine="python", platform="python", task=task, signature=model.signature, batchable=True)
        self.up = True
        self.failure: Exception | None = None
        self.seen: list[InferRequest] = []
        self._model = model
        self._signature = SignatureCheck(name, model.signature, batchable=True)

    @property
    def ready(self) -> bool:
        return self.up

    @property
    def reason(self) -> str:
        return "" if self.up else "its replicas are down"

    def check(self, request: InferRequest) -> Profile:
        if not self.up or self.profile is None:
            raise ModelNotReady(self.name, self.reason)
        request.rows = self._signature.rows(request.inputs)
        return self.profile

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        if self.failure is not None:
            raise self.failure
        ticket = Ticket(request, None, 0.0, done)
        running = asyncio.ensure_future(self.infer(request))
        running.add_done_callback(lambda over: None if over.cancelled() else ticket.succeed(over.result()))

        def drop() -> None:
            running.cancel()

        ticket.on_cancel(drop)
        return ticket

    async def infer(self, request: InferRequest) -> InferResult:
        self.seen.append(request)
        if self.failure is not None:
            raise self.failure
        outputs = dict(self._model.predict(request.inputs))
        return InferResult(outputs, self.name, self.version)


@asynccontextmanager
async def serving(*versions: ServedVersion, options: GrpcOptions | None = None) -> AsyncIterator[GrpcServer]:
    """Serve the versions on a free port, in the running loop."""
    catalog = Catalog(versions)
    context = GrpcContext(Inference(catalog), models_of(catalog, versions))
    server = await start_grpc(context, options or GrpcOptions(port=0))
    try:
        yield server
    finally:
        await server.stop(10)
