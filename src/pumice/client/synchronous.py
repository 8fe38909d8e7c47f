"""The client for ordinary code. What its operations do is in the modules that it calls; here they are only driven."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import numpy as np

from pumice.client import inference, management, models, streaming, tasks
from pumice.client.flow import Broken, Done, Flow, Outcome, Pause, Reply, Send, Step, Work
from pumice.client.predictions import Predictor
from pumice.client.retry import Retries
from pumice.client.store_faces import ServerStore
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


class Client:
    """Speaks to a Pumice server, or to any other that speaks the Open Inference Protocol; may be used by many threads.

    Requests are sent again when the server cannot be reached, when the connection breaks under an inference, and when
    the server says "later" (429, 502, 503), after the time that it asks for.

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
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        import httpx

        self._link = link_to(url, api_key, timeout, retries)
        self._predictor = Predictor(self._link)
        self.store = ServerStore(self._run, self._link)
        self._sleep = sleep
        self._http = httpx.Client(**http_options(self._link, verify))
        self._failures = httpx.RequestError

    def infer(self, model: str, inputs: Mapping[str, Any], **options: Unpack[InferOptions]) -> dict[str, np.ndarray]:
        """Run a model.

        Args:
            model: Name of the model.
            inputs: Arrays by the names of the model's inputs; ``str`` and ``bytes`` for ``BYTES``.
            **options: See `InferOptions`.

        Returns:
            Arrays by the names of the outputs; ``BYTES`` are object arrays of bytes. Numbers may be read-only views.

        Raises:
            ModelNotFound: There is no such model or version.
            Unfit: The inputs do not fit the model's signature or a limit.
            Unavailable: The model is not ready or the server is full, still after all tries.
            DeadlineExceeded: The time ran out.
            ModelError: The model failed.
            ConnectionFailed: The server cannot be reached.
            PumiceError: Whatever else the server says.
        """
        return self.infer_raw(model, inputs, **options).outputs

    def infer_raw(self, model: str, inputs: Mapping[str, Any], **options: Unpack[InferOptions]) -> Answer:
        """Run a model and tell the version that answered and the request's id as well; else as `infer`."""
        return self._run(inference.infer(self._link, model, inputs, inference.Options(**options)))

    def stream(
        self, model: str, inputs: Mapping[str, Any], **options: Unpack[InferOptions]
    ) -> Iterator[dict[str, np.ndarray]]:
        """Run a model whose answer comes in parts.

        Args:
            model: Name of the model.
            inputs: As for `infer`.
            **options: See `InferOptions`; the timeout is the longest silence (s).

        Yields:
            Arrays by the names of the outputs, as soon as the model gives them. Closing the iterator ends the model's
            work. Nothing is tried again.

        Raises:
            PumiceError: As `infer`; after a part: the answer ends there.
        """
        reader = streaming.PartReader(self._link, model, inputs, inference.Options(**options))
        try:
            with self._http.stream(**request_options(reader.send)) as response:
                if response.is_error:
                    response.read()
                    raise reader.refused(reply_of(response))
                for line in response.iter_lines():
                    part = reader.part(line)
                    if part is not None:
                        yield part
        except self._failures as error:
            raise reader.broken(broken_by(error)) from error

    def predict(self, model: str, items: Any, *, version: str = "", timeout: float | None = None) -> list[Any]:
        """Run a model of one input over items.

        Args:
            model: Name of the model.
            items: A sequence of texts, of images (the bytes of their files), or of arrays without the batch axis; one
                ``str`` or ``bytes`` counts as a sequence of one.
            version: Version of the model; the newest if left out.
            timeout: Time for the call with all its tries (s).

        Returns:
            One result an item: ``{"label", "score"}`` for a classification, the vector for an embedding; for tensors
            the output's row, or a dictionary of rows where there are several outputs.

        Raises:
            SignatureMismatch: The model has several inputs, or the items do not make up its input.
            PumiceError: As `infer`.
        """
        return self._run(self._predictor.predict(model, items, inference.Options(version=version, timeout=timeout)))

    def submit(self, model: str | None, work: tasks.Work, *, version: str = "", request_id: str | None = None) -> str:
        """Hand in an asynchronous task and return its id.

        Args:
            model: Name of the model; None where the server has one only.
            work: A text, texts, or arrays by the names of the model's inputs.
            version: Version of the model; the newest if left out.
            request_id: The caller's id of the request, for logs.

        Raises:
            PumiceError: The server refuses, or cannot be reached.
        """
        return self._run(tasks.submit(self._link, model, work, version, request_id))

    def result(self, task_id: str) -> TaskState:
        """Look how far a task is.

        Raises:
            TaskNotFound: There is no such task, or its result has expired.
            PumiceError: The server refuses, or cannot be reached.
        """
        return self._run(tasks.result(self._link, task_id))

    def wait(self, task_id: str, timeout: float | None = None) -> Any:
        """Wait until a task has ended and return its result.

        Args:
            task_id: The task.
            timeout: Longest wait (s); the client's own if left out.

        Returns:
            Arrays by name for tensors; else what the model's task gives, for example ``{"label", "score"}``.

        Raises:
            TaskFailed: It ended with an error.
            DeadlineExceeded: It has not ended in time; it goes on.
            PumiceError: As `result`.
        """
        return self._run(tasks.wait(self._link, task_id, self._link.timeout_s if timeout is None else timeout))

    def cancel(self, task_id: str) -> bool:
        """Say that a task's result is not wanted.

        Returns:
            Whether it was not finished and is cancelled now (or was before); False if it was finished: its result is
            deleted.

        Raises:
            TaskNotFound: There is no such task, or its result has expired or is deleted.
            PumiceError: The server refuses, or cannot be reached.
        """
        return self._run(tasks.cancel(self._link, task_id))

    def live(self) -> bool:
        """Whether the server is there; False if it cannot be reached."""
        return self._run(models.live(self._link))

    def ready(self, model: str | None = None, *, version: str = "") -> bool:
        """Whether the server, or one model, can answer now; False if the server cannot be reached.

        Raises:
            ModelNotFound: There is no such model.
        """
        return self._run(models.ready(self._link, model, version))

    def models(self) -> list[ModelState]:
        """List the served versions.

        Raises:
            PumiceError: The server refuses, or cannot be reached.
        """
        return self._run(models.models(self._link))

    def metadata(self, model: str, *, version: str = "") -> ModelMetadata:
        """Tell what a model takes and gives.

        Raises:
            ModelNotFound: There is no such model.
            PumiceError: The server refuses, or cannot be reached.
        """
        return self._run(models.metadata(self._link, model, version))

    def manage(self, method: str, path: str, body: object | None = None) -> Any:
        """Call a route of management, such as ``/api/keys``.

        Args:
            method: HTTP method.
            path: The route.
            body: Sent as JSON if given.

        Returns:
            The answer's JSON.

        Raises:
            PumiceError: The server refuses, or cannot be reached.
        """
        return self._run(management.manage(self._link, method, path, body))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
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
                outcome = self._do(step)
            except Exception as error:  # noqa: BLE001 - the flow's own work failed; it says what that means
                problem = error

    def _do(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        return Done(step.do()) if isinstance(step, Work) else self._send(step)

    def _send(self, step: Send) -> Reply | Broken:
        try:
            if step.sink is None:
                options = request_options(step)
                if step.call.in_slices:
                    options["content"] = slices_of(step.call.body)
                return reply_of(self._http.request(**options))
            with self._http.stream(**request_options(step)) as response:
                if response.is_success:
                    for part in response.iter_bytes(PART_BYTES):
                        step.sink(part)
                    return Reply(response.status_code, response.headers, b"")
                response.read()
                return reply_of(response)
        except self._failures as error:
            return broken_by(error)
