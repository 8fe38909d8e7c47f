"""An answer in parts as its caller reads it: part by part, or as the one part that it is expected to have."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Self

import numpy as np

from pumice.domain.errors import ModelFailed, PumiceError, Unsupported
from pumice.domain.request import InferRequest, InferResult
from pumice.runtime.front.streams import StreamTicket
from pumice.runtime.front.ticket import Done


class AnswerStream:
    """Gives the parts of an answer; not reading them holds the model back. Read by one task, and closed at the end.

    Args:
        model: Name of the model.
        version: Its version.
        request: What is asked.

    Attributes:
        ticket: The request on its way.
    """

    def __init__(self, model: str, version: str, request: InferRequest) -> None:
        self.ticket = StreamTicket(request, self._part, self._end)
        self._model = model
        self._version = version
        self._parts: deque[dict[str, np.ndarray]] = deque()
        self._ended = False
        self._error: PumiceError | None = None
        self._news: asyncio.Future[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> InferResult:
        """Wait for the next part.

        Raises:
            StopAsyncIteration: There are no more.
            PumiceError: The answer ends here, since something went wrong.
        """
        while not self._parts:
            if self._ended:
                if self._error is not None:
                    error, self._error = self._error, None
                    raise error
                raise StopAsyncIteration
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        self.ticket.taken()
        return InferResult(self._parts.popleft(), self._model, self._version)

    def close(self) -> None:
        """No more parts are wanted."""
        self._ended = True
        self._parts.clear()
        self.ticket.cancel()

    def _part(self, outputs: dict[str, np.ndarray]) -> None:
        self._parts.append(outputs)
        self._wake()

    def _end(self, error: PumiceError | None) -> None:
        self._ended, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class SinglePart:
    """Makes one answer of a stream that has exactly one part.

    Args:
        model: Name of the model.
        version: Its version.
        request: What is asked.
        done: Called with the answer or the error.

    Attributes:
        ticket: The request on its way.
    """

    def __init__(self, model: str, version: str, request: InferRequest, done: Done) -> None:
        self.ticket = StreamTicket(request, self._part, self._end)
        self._model = model
        self._version = version
        self._done = done
        self._outputs: dict[str, np.ndarray] | None = None

    def _part(self, outputs: dict[str, np.ndarray]) -> None:
        if self._outputs is None:
            self._outputs = outputs
            self.ticket.taken()
            return
        what = f"an answer of several parts, which model '{self._model}' gave, in one"
        self.ticket.finish(Unsupported(what, "call '/generate_stream', '/infer_stream' or gRPC's ModelStreamInfer"))

    def _end(self, error: PumiceError | None) -> None:
        if error is None and self._outputs is not None:
            self._done(InferResult(self._outputs, self._model, self._version), None)
        else:
            self._done(None, error or ModelFailed(self._model, "it gave no part of an answer"))
