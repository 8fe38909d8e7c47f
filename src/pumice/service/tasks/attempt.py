"""One try at one task, and what comes of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pumice.domain.errors import Cancelled, ModelNotFound, OverShare, PumiceError, Unavailable
from pumice.domain.request import InferRequest, InferResult
from pumice.service.tasks import codec
from pumice.service.tasks.clock import Clock, ahead
from pumice.service.tasks.lanes import Entry
from pumice.service.tasks.parts import FIRST_ROWS, Gone, PartedRun
from pumice.service.tasks.ports import Runner
from pumice.service.tasks.store import TaskStore

_log = logging.getLogger("pumice.tasks")

# nothing is wrong with the task: its model loads, is busy, is going down, or will be served again
_LATER = (Unavailable, OverShare, ModelNotFound, Cancelled)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task ends with.

    Attributes:
        failed: Whether `data` is an error.
        data: A result or an error, encoded.
    """

    failed: bool
    data: bytes


class NotNow(Exception):
    """The task's model cannot answer now."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """Tries tasks.

    Attributes:
        runner: Runs their requests.
        store: Where large requests are.
        clock: The times.
        ttl: Age up to which a task is tried again (s).
    """

    runner: Runner
    store: TaskStore
    clock: Clock
    ttl: float

    async def run(self, entry: Entry) -> Outcome:
        """Run a task's request.

        Raises:
            Gone: Another gateway has finished it.
            NotNow: It should be tried again.
        """
        try:
            request = await self._request_of(entry)
            return Outcome(failed=False, data=codec.encode_result(await self._answer(entry, request)))
        except _LATER as error:
            if self.clock.now() - entry.accepted < self.ttl:
                raise NotNow from error
            return Outcome(failed=True, data=codec.encode_error(error))
        except PumiceError as error:
            return Outcome(failed=True, data=codec.encode_error(error))
        except Gone:
            raise
        except Exception:  # noqa: BLE001 the boundary of a task: the log gets everything, the caller a general word
            _log.exception("task failed", extra={"task": entry.task_id, "model": entry.key[0]})
            return Outcome(failed=True, data=codec.encode_error(PumiceError()))

    async def _answer(self, entry: Entry, request: InferRequest) -> InferResult:
        most = max((len(array) for array in request.inputs.values() if array.ndim), default=0)
        if most > FIRST_ROWS and await self.runner.divisible(*entry.key, request.deadline):
            self.runner.check(*entry.key, request)
            if request.rows > FIRST_ROWS:
                return await PartedRun(self.runner, self.store, self.clock).run(entry, request)
        return await self.runner.infer(*entry.key, request)

    async def _request_of(self, entry: Entry) -> InferRequest:
        request = entry.request
        if isinstance(request, InferRequest):
            return request
        if request is None:
            request = await self.store.load(entry.task_id)
            if request is None:
                raise Gone
        return codec.decode_request(request, ahead(self.clock))
