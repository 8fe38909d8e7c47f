"""A request that is larger than a batch may be: run in parts, answered whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pumice.domain.errors import PumiceError
from pumice.domain.request import InferRequest, InferResult
from pumice.runtime.front.batching import split_rows
from pumice.runtime.front.ticket import Done, Ticket


class Parts:
    """Runs the parts of one request and joins their answers; the first error is the answer of all.

    Args:
        whole: The request as the caller sees it.
        most: Most rows of a part.
        enqueue: Lets a part wait.
    """

    def __init__(self, whole: Ticket, most: int, enqueue: Callable[[InferRequest, Done], Ticket]) -> None:
        self._whole = whole
        requests = list(split_rows(whole.request, most))
        self._results: list[InferResult | None] = [None] * len(requests)
        self._left = len(requests)
        self._tickets: list[Ticket] = []
        whole.on_cancel(self._drop)
        for index, request in enumerate(requests):
            self._tickets.append(enqueue(request, self._done(index)))

    def _done(self, index: int) -> Done:
        def done(result: InferResult | None, error: PumiceError | None) -> None:
            if error is not None:
                self._whole.fail(error)
                return
            self._results[index] = result
            self._left -= 1
            if not self._left:
                self._join()

        return done

    def _join(self) -> None:
        results = [result for result in self._results if result is not None]
        first = results[0]
        outputs = {name: np.concatenate([result.outputs[name] for result in results]) for name in first.outputs}
        self._whole.succeed(InferResult(outputs, first.model, first.version))

    def _drop(self) -> None:
        for ticket in self._tickets:
            ticket.cancel()
