"""The client for asyncio and trio. What its operations do is in the modules that it calls; here they are driven."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import numpy as np

from pumice.client import inference, management, models, streaming, tasks
from pumice.client.flow import Broken, Done, Flow, Outcome, Pause, Reply, Send, Step, Work
from pumice.client.predictions import Predictor
from pumice.client.retry import Retries
from pumice.client.store_faces import AsyncServerStore
from pumice.client.transport import (
    DEFAULT_TIMEOUT_S,
    PART_BYTES,
    Verify,
    broken_by,
    http_options,
    link_to,
    reply_of,
    request_options,
    slices_of,
)
from pumice.client.types import Answer, InferOptions, ModelMetadata, ModelState, TaskState

T = TypeVar("T")


class AsyncClient:
    """`pumice.Client` with ``await`` before every operation; may be used by many tasks of one event loop.

    Args:
        url: The server, for example ``http://127.0.0.1:8000``.
        api_key: Key for a server that asks for one.
        timeout: Time for an operation with all its tries (s).
        retries: How often a request is sent again; or `Retries`, for the waits too.
        verify: How the server's certificate is looked at: True, by the system's authorities; a path, by those of that
            file; an `ssl.SSLContext`, which may also bring a certificate of the client; False, not at all.
        sleep: Waits between tries; for tests.

    Attributes:
        store: The server's model store.

    Raises:
        BadSetting: The URL, the key or the timeout cannot be used.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        retries: int | Retries = 3,
        *,
        verify: Verify = True,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        import anyio
        import anyio.to_thread
        import httpx

        self._link = link_to(url, api_key, timeout, retries)
        self._predictor = Predictor(self._link)
        self.store = AsyncServerStore(self._run, self._link)
        self._sleep = sleep or anyio.sleep
        self._in_thread = anyio.to_thread.run_sync
        self._http = httpx.AsyncClient(**http_options(self._link, verify))
        self._failures = httpx.RequestError

    async def infer(
        self, model: str, inputs: Mapping[str, Any], **options: Unpack[InferOptions]
    ) -> dict[str, np.ndarray]:
        """Run a model; as `pumice.Client.infer`."""
        return (await self.infer_raw(model, inputs, **options)).outputs

    async def infer_raw(self, model: str, inputs: Mapping[str, Any], **options: Unpack[InferOptions]) -> Answer:
        """Run a model and tell the version and the request's id as well; as `pumice.Client.infer_raw`."""
        return await self._run(inference.infer(self._link, model, inputs, inference.Options(**options)))

    async def stream(
        self, model: str, inputs: Mapping[str, Any], **options: Unpack[InferOptions]
    ) -> AsyncIterator[dict[str, np.ndarray]]:
        """Run a model whose answer comes in parts; as `pumice.Client.stream`."""
        reader = streaming.PartReader(self._link, model, inputs, inference.Options(**options))
        try:
            async with self._http.stream(**request_options(reader.send)) as response:
                if response.is_error:
                    await response.aread()
                    raise reader.refused(reply_of(response))
                async for line in response.aiter_lines():
                    part = reader.part(line)
                    if part is not None:
                        yield part
        except self._failures as error:
            raise reader.broken(broken_by(error)) from error

    async def predict(self, model: str, items: Any, *, version: str = "", timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109 - the server is told
        """Run a model of one input over items; as `pumice.Client.predict`."""
        options = inference.Options(version=version, timeout=timeout)
        return await self._run(self._predictor.predict(model, items, options))

    async def submit(
        self, model: str | None, work: tasks.Work, *, version: str = "", request_id: str | None = None
    ) -> str:
        """Hand in an asynchronous task and return its id; as `pumice.Client.submit`."""
        return await self._run(tasks.submit(self._link, model, work, version, request_id))

    async def result(self, task_id: str) -> TaskState:
        """Look how far a task is; as `pumice.Client.result`."""
        return await self._run(tasks.result(self._link, task_id))

    async def wait(self, task_id: str, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """Wait until a task has ended and return its result; as `pumice.Client.wait`."""
        return await self._run(tasks.wait(self._link, task_id, self._link.timeout_s if timeout is None else timeout))

    async def cancel(self, task_id: str) -> bool:
        """Say that a task's result is not wanted; as `pumice.Client.cancel`."""
        return await self._run(tasks.cancel(self._link, task_id))

    async def live(self) -> bool:
        """Whether the server is there; as `pumice.Client.live`."""
        return await self._run(models.live(self._link))

    async def ready(self, model: str | None = None, *, version: str = "") -> bool:
        """Whether the server, or one model, can answer now; as `pumice.Client.ready`."""
        return await self._run(models.ready(self._link, model, version))

    async def models(self) -> list[ModelState]:
        """List the served versions; as `pumice.Client.models`."""
        return await self._run(models.models(self._link))

    async def metadata(self, model: str, *, version: str = "") -> ModelMetadata:
        """Tell what a model takes and gives; as `pumice.Client.metadata`."""
        return await self._run(models.metadata(self._link, model, version))

    async def manage(self, method: str, path: str, body: object | None = None) -> Any:
        """Call a route of management; as `pumice.Client.manage`."""
        return await self._run(management.manage(self._link, method, path, body))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        outcome: Outcome = None
        problem: Exception | None = None
        while True:
            try:
                step = flow.send(outcome) if problem is None else flow.throw(problem)
            except StopIteration as end:
                answer: T = end.value
                return answer
            outcome, problem = None, None
            try:
                outcome = await self._do(step)
            except Exception as error:  # noqa: BLE001 - the flow's own work failed; it says what that means
                problem = error

    async def _do(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            await self._sleep(step.seconds)
            return None
        return Done(await self._in_thread(step.do)) if isinstance(step, Work) else await self._send(step)

    async def _send(self, step: Send) -> Reply | Broken:
        try:
            if step.sink is None:
                options = request_options(step)
                if step.call.in_slices:
                    options["content"] = _slices_of(step.call.body)
                return reply_of(await self._http.request(**options))
            async with self._http.stream(**request_options(step)) as response:
                if response.is_success:
                    async for part in response.aiter_bytes(PART_BYTES):
                        await self._in_thread(step.sink, part)
                    return Reply(response.status_code, response.headers, b"")
                await response.aread()
                return reply_of(response)
        except self._failures as error:
            return broken_by(error)


async def _slices_of(body: bytes) -> AsyncIterator[bytes]:
    for part in slices_of(body):
        yield part
