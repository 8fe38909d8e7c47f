"""What faces call: submit, get, wait. Nothing is imported, opened or started before the first task."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pumice.db import Place
from pumice.domain.errors import (
    BadSetting,
    Cancelled,
    ModelNotReady,
    Overloaded,
    PumiceError,
    StorageFailed,
    TaskNotFound,
)
from pumice.domain.request import InferRequest
from pumice.service.tasks import codec
from pumice.service.tasks.clock import Clock, SystemClock
from pumice.service.tasks.options import TaskOptions, TaskWish
from pumice.service.tasks.ports import Runner
from pumice.service.tasks.record import Progress, TaskRecord
from pumice.service.tasks.webhooks import Hosts, Signer, home_secret, trusted

if TYPE_CHECKING:
    from pumice.db.tasks import TaskState
    from pumice.service.tasks.executor import Executor
    from pumice.service.tasks.store import TaskStore

_log = logging.getLogger("pumice.tasks")

_FIRST_REOPEN_S = 0.5
_LATEST_REOPEN_S = 5.0
_FIRST_LOOK_S = 0.05
_LATEST_LOOK_S = 1.0


class Tasks:
    """Asynchronous tasks of a home.

    Args:
        runner: Runs requests; `pumice.service.inference.Inference`.
        home: The home, where the database is unless the options say otherwise.
        options: Limits.
        clock: The times; the machine's own if left out.
        tell: Makes the JSON that webhooks tell of a task; without it there are none.

    Raises:
        BadSetting: The options of webhooks cannot be used.
    """

    def __init__(
        self,
        runner: Runner,
        home: Path,
        options: TaskOptions | None = None,
        clock: Clock | None = None,
        tell: Callable[[TaskRecord], bytes] | None = None,
    ) -> None:
        self._runner = runner
        self._options = options or TaskOptions()
        self._place = Place(home, self._options.database)
        self._hosts = Hosts.of(self._options.webhook_hosts if tell else "")
        self._tell = tell
        self._delivery: asyncio.Task[None] | None = None
        if self._options.webhook_secret:
            Signer(self._options.webhook_secret)  # a wrong one shows at the start
        elif self._hosts.patterns and not self._place.embedded:
            allowed = "the same secret for all servers of the database: 'whsec_' and base64 of 32 random bytes"
            raise BadSetting("webhook_secret", "nothing, with 'database' and 'webhook_hosts'", allowed)
        self._trust = trusted(self._options.webhook_ca)
        self._clock = clock or SystemClock()
        self._executor: Executor | None = None
        self._opening: asyncio.Task[Executor] | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Go on with what was accepted before; without a database there is nothing to do.

        A server of a database that cannot be reached does not hold up anything: it is tried again until it can.

        Raises:
            BadSetting: Its URL is none that we know.
            MissingDependency: Its driver is not installed.
            BadArtefact: The database is damaged or of a newer Pumice.
            StorageFailed: The embedded one cannot be read.
        """
        if not self._place.begun:
            return
        try:
            await self._open()
        except StorageFailed as error:
            if self._place.embedded:
                raise
            _log.warning("the tasks' database does not answer yet", extra={"problem": error.message})
            self._reopening = asyncio.create_task(self._reopen())

    async def stop(self, grace_s: float = 5.0) -> None:
        """Stop; what is not finished is left for the next start.

        Args:
            grace_s: Longest wait for the tasks that run (s).
        """
        self._stopped = True
        for background in (self._reopening, self._delivery):
            if background is not None:
                background.cancel()
                await asyncio.wait([background])
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._executor is not None:
            await self._executor.stop(grace_s)

    async def submit(self, model: str, version: str, request: InferRequest, wish: TaskWish | None = None) -> str:
        """Accept a task. It is on disk when this returns, and runs at least once whatever happens to the process.

        Args:
            model: Name of the model.
            version: Its version, or an empty string for whatever is the newest when it runs.
            request: What is asked; text that is to be repaired is repaired in place. Its priority is respected; after
                its deadline it is not started, and fails.
            wish: What the caller wants besides.

        Returns:
            The task's id.

        Raises:
            Unsupported: It wants a webhook, and none are allowed.
            MalformedInput: It wants a webhook to where none may go.
            ModelNotFound: It is not served here.
            SignatureMismatch: It does not fit (if the model has loaded; else this shows when it runs).
            UncleanText: Its text is refused.
            TooLarge: No database takes it.
            Overloaded: Too many tasks are unfinished, or the server is stopping.
            StorageFailed: It could not be stored. Like after all other errors, it is not accepted.
        """
        # one that loads is known by name, and will be ready; whether the request fits shows then
        if wish is not None and wish.webhook:
            self._hosts.target(wish.webhook)
        with contextlib.suppress(ModelNotReady):
            self._runner.check(model, version, request)
        executor = self._executor or await self._open()
        return await executor.accept((model, version), request, wish or TaskWish())

    async def get(self, task_id: str, caller: str = "") -> TaskRecord:
        """Look at a task.

        Args:
            task_id: Its id.
            caller: Who asks, if it has proven that; what another such caller has handed in, it does not see.

        Raises:
            TaskNotFound: There is none with this id, or its result has expired.
            StorageFailed: The database cannot be read.
        """
        if self._executor is None and not self._place.begun:
            raise TaskNotFound(task_id)
        executor = self._executor or await self._open()
        entry = executor.held.get(task_id)
        if entry is not None:
            if entry.caller not in ("", caller):
                raise TaskNotFound(task_id)
            progress = executor.held.progress(entry)
            return TaskRecord(task_id, "processing", *entry.key, entry.face, entry.accepted, progress=progress)
        state = await executor.store.find(task_id)
        if state is None or state.caller not in ("", caller) or self._too_old(state):
            raise TaskNotFound(task_id)
        return _record(state)

    def _too_old(self, state: TaskState) -> bool:
        if state.finished is None:
            return False
        end = state.finished + self._options.result_ttl
        return self._clock.now() > (end if state.expires is None else min(end, state.expires))

    async def cancel(self, task_id: str, caller: str = "") -> TaskRecord | None:
        """Cancel a task, or delete its result.

        Args:
            task_id: Its id.
            caller: Who asks, as in `get`.

        Returns:
            A task that was not finished, now cancelled: it has failed with `pumice.domain.errors.Cancelled`, and
            nobody works on it any more. So does one that was cancelled before. None if it was finished otherwise:
            its result is deleted.

        Raises:
            TaskNotFound: There is none with this id, or its result has expired.
            StorageFailed: It could not be noted.
        """
        record = await self.get(task_id, caller)
        executor = self._executor or await self._open()
        if record.status == "processing" and await executor.cancel(task_id):
            record = await self.get(task_id, caller)
        if isinstance(record.error, Cancelled):
            return record
        await executor.store.forget(task_id)
        return None

    async def wait(self, task_id: str, seconds: float, caller: str = "") -> TaskRecord:
        """Wait for a task; return as soon as it is finished, or as it stands when the time is over.

        Args:
            task_id: Its id.
            seconds: Longest wait (s).
            caller: Who asks, as in `get`.

        Raises:
            TaskNotFound: There is none with this id, or its result has expired.
            StorageFailed: The database cannot be read.
        """
        record = await self.get(task_id, caller)
        executor = self._executor
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        pause = _FIRST_LOOK_S
        while record.status == "processing" and executor is not None and not self._stopped:
            left = until - clock()
            if left <= 0:
                break
            waiter = executor.held.waiters.add(task_id)
            try:
                # what another gateway holds is looked at from time to time; what this one holds announces itself
                await asyncio.wait([waiter], timeout=left if executor.held.get(task_id) else min(left, pause))
            finally:
                executor.held.waiters.drop(task_id, waiter)
            pause = min(pause * 2, _LATEST_LOOK_S)
            record = await self.get(task_id, caller)
        return record

    async def _open(self) -> Executor:
        if self._stopped:
            raise Overloaded("the server is stopping")
        failed = self._opening is not None and self._opening.done() and self._executor is None
        if self._opening is None or failed:
            self._opening = asyncio.create_task(self._start_executor())
        # shielded: others wait for it too
        return await asyncio.shield(self._opening)

    async def _reopen(self) -> None:
        """Try until the database answers."""
        pause = _FIRST_REOPEN_S
        while self._executor is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LATEST_REOPEN_S)
            try:
                await self._open()
            except StorageFailed as error:
                _log.warning("the tasks' database does not answer yet", extra={"problem": error.message})
            except PumiceError as error:
                _log.error("the tasks' database cannot be used", extra={"problem": error.message})
                return

    async def _start_executor(self) -> Executor:
        # SQLAlchemy takes 0.4 s to import: in a thread, so that the loop goes on
        await asyncio.to_thread(importlib.import_module, "pumice.service.tasks.executor")
        from pumice.service.tasks.executor import Executor
        from pumice.service.tasks.store import TaskStore

        store = await TaskStore.open(self._place)
        executor = Executor(self._runner, store, self._options, self._clock)
        try:
            await executor.start()
        except BaseException:
            # whatever it was, it is raised again; the thread and the lock must not stay behind
            await store.close()
            raise
        self._executor = executor
        if self._tell is not None and self._hosts.patterns:
            await self._start_delivery(store, self._tell)
        return executor

    async def _start_delivery(self, store: TaskStore, tell: Callable[[TaskRecord], bytes]) -> None:
        from pumice.service.tasks.delivery import Delivery, Terms

        secret = self._options.webhook_secret or await asyncio.to_thread(home_secret, self._place.home)

        async def look(task_id: str) -> TaskRecord | None:
            state = await store.find(task_id)
            return None if state is None or state.outcome is None else _record(state)

        terms = Terms(self._hosts, Signer(secret), tell, self._runner.count_webhook, self._trust)
        self._delivery = asyncio.create_task(Delivery(store, look, terms, self._clock).run())


def _record(state: TaskState) -> TaskRecord:
    known = (state.model, state.version, state.face, state.accepted)
    if state.outcome is None:
        return TaskRecord(state.id, "processing", *known, progress=Progress(state.done, state.rows))
    if state.failed:
        error = codec.decode_error(state.outcome, state.model)
        return TaskRecord(state.id, "failed", *known, finished=state.finished, error=error)
    return TaskRecord(state.id, "completed", *known, finished=state.finished, result=codec.decode_result(state.outcome))
