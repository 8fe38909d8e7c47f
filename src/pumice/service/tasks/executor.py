"""Runs accepted tasks: at least once each, a bounded number at a time, again while their model cannot answer.

A task is on disk before its acceptance is told, and its outcome is on disk before anyone is told of that. Between the
two it is either in memory, in a lane of the gateway that holds it, or on disk alone, held by nobody, until a lane has
room. Whatever happens to the process, the next one finds on disk all that is not finished.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from pumice.db.tasks import MAX_INLINE_BYTES, Ending, TaskRow
from pumice.domain.errors import Cancelled, Overloaded, StorageFailed
from pumice.domain.request import InferRequest
from pumice.service.tasks import codec
from pumice.service.tasks.attempt import Attempts, NotNow, Outcome
from pumice.service.tasks.clock import Clock, ahead
from pumice.service.tasks.held import Held
from pumice.service.tasks.housekeeping import Housekeeping
from pumice.service.tasks.ids import Ids
from pumice.service.tasks.lanes import Entry, Key, Lane
from pumice.service.tasks.options import TaskOptions, TaskWish
from pumice.service.tasks.parts import Gone
from pumice.service.tasks.ports import Runner
from pumice.service.tasks.store import TaskStore
from pumice.service.tasks.watch import drop_what_others_cancel

_log = logging.getLogger("pumice.tasks")

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0


class Executor:
    """Everything that happens to tasks once the database is open.

    Args:
        runner: Runs requests.
        store: The tasks on disk.
        options: Limits.
        clock: The times.

    Attributes:
        store: The tasks on disk.
        held: Those that this gateway holds.
    """

    def __init__(self, runner: Runner, store: TaskStore, options: TaskOptions, clock: Clock) -> None:
        self.store = store
        self.held = Held()
        self._options = options
        self._clock = clock
        self._count = runner.count_task
        self._show_pending = runner.show_pending_tasks
        self._attempts = Attempts(runner, store, clock, options.result_ttl)
        self._housekeeping = Housekeeping(store, runner.catalog, options)
        self._ids = Ids()
        self._arriving = 0
        self._backlog = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = False

    # -- life

    async def start(self) -> None:
        """Take over what earlier gateways have left, and keep house from now on.

        Raises:
            StorageFailed: The database cannot be used.
        """
        await self._survey()
        self._spawn(self._keep_house())
        self._spawn(drop_what_others_cancel(self.store, self.held))

    async def stop(self, grace_s: float) -> None:
        """Let running tasks finish for a while; the rest stays on disk for the next start.

        Args:
            grace_s: Longest wait (s).
        """
        self._stopping = True
        if self._workers:
            await asyncio.wait(self._workers, timeout=grace_s)
        unfinished = [*self._workers, *self._background]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        self.held.waiters.wake_all()
        try:
            await self.store.close()
        except StorageFailed as error:
            _log.warning("tasks could not be given back", extra={"problem": error.message})

    # -- acceptance

    async def accept(self, key: Key, request: InferRequest, wish: TaskWish) -> str:
        """Store a task and see that it runs; it does even if the caller goes away meanwhile.

        Args:
            key: The model and version as the caller gave them.
            request: A checked request.
            wish: What the caller wants besides.

        Returns:
            The id of the task, which is on disk.

        Raises:
            Overloaded: Too many tasks are unfinished, or the server is stopping.
            StorageFailed: It could not be stored, so it is not accepted.
            TooLarge: No database takes it.
        """
        self._refuse_if_full()
        now = self._clock.now()
        data = codec.encode_request(request, ahead(self._clock))
        in_memory = request if len(data) <= MAX_INLINE_BYTES else None
        entry = Entry(self._ids.new(now), key, request.priority, wish.face, now, in_memory, wish.caller, request.rows)
        lane = self.held.lanes.lane(key)
        holds = lane.has_room(entry.priority)
        row = TaskRow(
            id=entry.task_id,
            model=key[0],
            version=key[1],
            priority=entry.priority,
            face=wish.face,
            accepted=now,
            owner=self.store.owner if holds else None,
            request=data,
            caller=wish.caller,
            rows=request.rows,
            ttl=None if wish.ttl is None else min(wish.ttl, self._options.result_ttl),
            webhook=wish.webhook,
        )
        stored = self.store.accept(row)
        self._arriving += 1
        lane.arriving += holds
        stored.add_done_callback(lambda done: self._arrived(done, lane, entry, holds=holds))
        # shielded: a caller who leaves must not leave a task behind that is stored and in no lane
        await asyncio.shield(stored)
        return entry.task_id

    def _refuse_if_full(self) -> None:
        if self._stopping:
            raise Overloaded("the server is stopping")
        if len(self.held) + self._arriving + self._backlog >= self._options.max_tasks:
            raise Overloaded(f"{self._options.max_tasks} asynchronous tasks are not finished yet")

    def _arrived(self, stored: asyncio.Future[None], lane: Lane, entry: Entry, *, holds: bool) -> None:
        self._arriving -= 1
        lane.arriving -= holds
        if stored.cancelled() or stored.exception() is not None:
            return
        self._count(*entry.key, "accepted")
        if holds:
            self.held.add(entry)
        else:
            self._backlog += 1
            lane.more = True
        self._pump()

    # -- from the lanes to the model and to the disk

    def _pump(self) -> None:
        """Start whatever can start."""
        if self._stopping:
            return
        for lane in self.held.lanes:
            self._refill_if_short(lane)
        while len(self._workers) < self._options.concurrency and (entry := self.held.lanes.pop()) is not None:
            worker = asyncio.create_task(self._work(entry))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self, entry: Entry | None) -> None:
        """Run one task after the other until none is left."""
        while entry is not None:
            lane = self.held.lanes.lane(entry.key)
            self._refill_if_short(lane)
            try:
                outcome = await self._try(entry)
            except NotNow:
                # the whole lane rests, so that others use the places meanwhile
                self.held.lanes.push(entry)
                self._rest(lane)
            except Gone:
                self.held.done(entry)
            else:
                lane.failures = 0
                await self._finish(entry, outcome)
            entry = None if self._stopping else self.held.lanes.pop()

    async def _try(self, entry: Entry) -> Outcome:
        """Try a task, until it is dropped.

        Raises:
            Gone: It was finished by another gateway, or dropped.
            NotNow: It should be tried again.
        """
        entry.attempt = worker = asyncio.current_task()
        try:
            return await self._attempts.run(entry)
        except asyncio.CancelledError:
            # dropped, and not stopped: the worker goes on with the next task
            if entry.over and worker is not None and not worker.uncancel():
                raise Gone from None
            raise
        finally:
            entry.attempt = None

    async def _finish(self, entry: Entry, outcome: Outcome) -> None:
        ending = Ending(entry.task_id, self._clock.now(), outcome.failed, outcome.data)
        failures = 0
        while not await self._stored(ending):
            await self._clock.sleep(_pause(failures))
            failures += 1
        self.held.done(entry)

    async def _stored(self, ending: Ending) -> bool:
        try:
            ended = await self.store.finish(ending)
        except StorageFailed as error:
            _log.warning("a result could not be stored yet", extra={"task": ending.id, "problem": error.message})
            return False
        if ended is not None:
            self._count(ended.model, ended.version, "failed" if ending.failed else "completed")
        return True

    # -- what is not wanted any more

    async def cancel(self, task_id: str) -> bool:
        """End a task as cancelled and drop the work on it.

        Returns:
            False if it was finished before.

        Raises:
            StorageFailed: It could not be noted; the task goes on.
        """
        ending = Ending(task_id, self._clock.now(), True, codec.encode_error(Cancelled()))
        ended = await self.store.finish(ending)
        self.held.drop(task_id)
        if ended is not None:
            self._count(ended.model, ended.version, "cancelled")
        return ended is not None

    def _rest(self, lane: Lane) -> None:
        if not lane.blocked:
            lane.blocked = True
            self._spawn(self._unblock(lane, _pause(lane.failures)))
            lane.failures += 1

    async def _unblock(self, lane: Lane, seconds: float) -> None:
        await self._clock.sleep(seconds)
        lane.blocked = False
        self._pump()

    # -- from the disk to the lanes

    def _refill_if_short(self, lane: Lane) -> None:
        wanted = lane.wanted
        if wanted:
            lane.refilling = True
            self._spawn(self._refill(lane, wanted))

    async def _refill(self, lane: Lane, wanted: int) -> None:
        try:
            claimed = await self.store.claim(*lane.key, wanted)
        except StorageFailed as error:
            _log.warning("tasks could not be fetched yet", extra={"model": lane.key[0], "problem": error.message})
            self._rest(lane)
            return
        finally:
            lane.refilling = False
        lane.more = len(claimed) == wanted
        self._backlog = max(self._backlog - len(claimed), 0)
        for task in claimed:
            told = (task.priority, task.face, task.accepted, task.request, task.caller, task.rows)
            self.held.add(Entry(task.id, lane.key, *told))
        self._pump()

    # -- from time to time

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(self._options.every)
            try:
                await self._survey()
                for key in await self._housekeeping.clear(self._clock.now()):
                    self._count(*key, "failed")
            except StorageFailed as error:
                _log.warning("the tasks' database does not answer", extra={"problem": error.message})

    async def _survey(self) -> None:
        backlog, served = await self._housekeeping.survey(self._clock.now())
        self._backlog = sum(waiting.free for waiting in backlog.values())
        self._show_pending({key: waiting.all for key, waiting in backlog.items()})
        for key in served:
            self.held.lanes.lane(key).more = True
        self._pump()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _pause(failures: int) -> float:
    return min(_FIRST_PAUSE_S * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
