"""What faces call: submit, get, wait. Nothing is imported, opened or started before the first task."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

from pumice.db import database_file
from pumice.domain.errors import ModelNotReady, Overloaded, TaskNotFound
from pumice.domain.request import InferRequest
from pumice.service.tasks import codec
from pumice.service.tasks.clock import Clock, SystemClock
from pumice.service.tasks.options import TaskOptions
from pumice.service.tasks.ports import Runner
from pumice.service.tasks.record import TaskRecord

if TYPE_CHECKING:
    from pumice.db.tasks import TaskState
    from pumice.service.tasks.executor import Executor

_FIRST_LOOK_S = 0.05
_LATEST_LOOK_S = 1.0


class Tasks:
    """Asynchronous tasks of a home.

    Args:
        runner: Runs requests; `pumice.service.inference.Inference`.
        home: The home, where the database is.
        options: Limits.
        clock: The times; the machine's own if left out.
    """

    def __init__(
        self, runner: Runner, home: Path, options: TaskOptions | None = None, clock: Clock | None = None
    ) -> None:
        self._runner = runner
        self._home = home
        self._options = options or TaskOptions()
        self._clock = clock or SystemClock()
        self._executor: Executor | None = None
        self._opening: asyncio.Task[Executor] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Go on with what was accepted before; without a database there is nothing to do.

        Raises:
            BadArtefact: The database is damaged or of a newer Pumice.
            StorageFailed: It cannot be read.
        """
        if database_file(self._home).exists():
            await self._open()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop; what is not finished is left for the next start.

        Args:
            grace_s: Longest wait for the tasks that run (s).
        """
        self._stopped = True
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._executor is not None:
            await self._executor.stop(grace_s)

    async def submit(self, model: str, version: str, request: InferRequest, face: str = "") -> str:
        """Accept a task. It is on disk when this returns, and runs at least once whatever happens to the process.

        Args:
            model: Name of the model.
            version: Its version, or an empty string for whatever is the newest when it runs.
            request: What is asked; text that is to be repaired is repaired in place. Its priority is respected; after
                its deadline it is not started, and fails.
            face: A word of the face's own, which `TaskRecord.face` gives back.

        Returns:
            The task's id.

        Raises:
            ModelNotFound: It is not served here.
            SignatureMismatch: It does not fit (if the model has loaded; else this shows when it runs).
            UncleanText: Its text is refused.
            TooLarge: No database takes it.
            Overloaded: Too many tasks are unfinished, or the server is stopping.
            StorageFailed: It could not be stored. Like after all other errors, it is not accepted.
        """
        # one that loads is known by name, and will be ready; whether the request fits shows then
        with contextlib.suppress(ModelNotReady):
            self._runner.check(model, version, request)
        executor = self._executor or await self._open()
        return await executor.accept((model, version), request, face)

    async def get(self, task_id: str) -> TaskRecord:
        """Look at a task.

        Raises:
            TaskNotFound: There is none with this id, or its result has expired.
            StorageFailed: The database cannot be read.
        """
        if self._executor is None and not database_file(self._home).exists():
            raise TaskNotFound(task_id)
        executor = self._executor or await self._open()
        entry = executor.held(task_id)
        if entry is not None:
            return TaskRecord(task_id, "processing", *entry.key, entry.face, entry.accepted)
        state = await executor.store.find(task_id)
        if state is None or (state.finished or math.inf) < self._clock.now() - self._options.result_ttl:
            raise TaskNotFound(task_id)
        return _record(state)

    async def wait(self, task_id: str, seconds: float) -> TaskRecord:
        """Wait for a task; return as soon as it is finished, or as it stands when the time is over.

        Args:
            task_id: Its id.
            seconds: Longest wait (s).

        Raises:
            TaskNotFound: There is none with this id, or its result has expired.
            StorageFailed: The database cannot be read.
        """
        record = await self.get(task_id)
        executor = self._executor
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        pause = _FIRST_LOOK_S
        while record.status == "processing" and executor is not None and not self._stopped:
            left = until - clock()
            if left <= 0:
                break
            waiter = executor.waiters.add(task_id)
            try:
                # what another gateway holds is looked at from time to time; what this one holds announces itself
                await asyncio.wait([waiter], timeout=left if executor.held(task_id) else min(left, pause))
            finally:
                executor.waiters.drop(task_id, waiter)
            pause = min(pause * 2, _LATEST_LOOK_S)
            record = await self.get(task_id)
        return record

    async def _open(self) -> Executor:
        if self._stopped:
            raise Overloaded("the server is stopping")
        failed = self._opening is not None and self._opening.done() and self._executor is None
        if self._opening is None or failed:
            self._opening = asyncio.create_task(self._start_executor())
        # shielded: others wait for it too
        return await asyncio.shield(self._opening)

    async def _start_executor(self) -> Executor:
        # SQLAlchemy takes 0.4 s to import: in a thread, so that the loop goes on
        await asyncio.to_thread(importlib.import_module, "pumice.service.tasks.executor")
        from pumice.service.tasks.executor import Executor
        from pumice.service.tasks.store import TaskStore

        store = await TaskStore.open(self._home)
        executor = Executor(self._runner, store, self._options, self._clock)
        try:
            await executor.start()
        except BaseException:
            # whatever it was, it is raised again; the thread and the lock must not stay behind
            await store.close()
            raise
        self._executor = executor
        return executor


def _record(state: TaskState) -> TaskRecord:
    known = (state.model, state.version, state.face, state.accepted)
    if state.outcome is None:
        return TaskRecord(state.id, "processing", *known)
    if state.failed:
        error = codec.decode_error(state.outcome, state.model)
        return TaskRecord(state.id, "failed", *known, finished=state.finished, error=error)
    return TaskRecord(state.id, "completed", *known, finished=state.finished, result=codec.decode_result(state.outcome))
