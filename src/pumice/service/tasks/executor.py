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

from pumice.db.tasks import MAX_INLINE_BYTES, ResultRow, TaskRow
from pumice.domain.errors import Overloaded, StorageFailed
from pumice.domain.request import InferRequest
from pumice.service.tasks import codec
from pumice.service.tasks.attempt import Attempts, Gone, NotNow, Outcome
from pumice.service.tasks.clock import Clock, ahead
from pumice.service.tasks.housekeeping import EVERY_S, Housekeeping
from pumice.service.tasks.ids import new_id
from pumice.service.tasks.lanes import Entry, Key, Lane, Lanes
from pumice.service.tasks.options import TaskOptions
from pumice.service.tasks.ports import Runner
from pumice.service.tasks.store import TaskStore
from pumice.service.tasks.waiters import Waiters

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
        waiters: Who waits for which task.
    """

    def __init__(self, runner: Runner, store: TaskStore, options: TaskOptions, clock: Clock) -> None:
        self.store = store
        self.waiters = Waiters()
        self._options = options
        self._clock = clock
        self._attempts = Attempts(runner, store, clock, options.result_ttl)
        self._housekeeping = Housekeeping(store, runner.catalog, options.result_ttl)
        self._lanes = Lanes()
        self._held: dict[str, Entry] = {}
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
        self.waiters.wake_all()
        try:
            await self.store.close()
        except StorageFailed as error:
            _log.warning("tasks could not be given back", extra={"problem": error.message})

    def held(self, task_id: str) -> Entry | None:
        """The task if this gateway holds it and has not finished it, so that nobody has to look at the disk for it."""
        return self._held.get(task_id)

    # -- acceptance

    async def accept(self, key: Key, request: InferRequest, face: str) -> str:
        """Store a task and see that it runs; it does even if the caller goes away meanwhile.

        Args:
            key: The model and version as the caller gave them.
            request: A checked request.
            face: The face's word.

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
        entry = Entry(new_id(now), key, request.priority, face, now, in_memory)
        lane = self._lanes.lane(key)
        holds = lane.has_room(entry.priority)
        row = TaskRow(
            id=entry.task_id,
            model=key[0],
            version=key[1],
            priority=entry.priority,
            face=face,
            accepted=now,
            owner=self.store.owner if holds else None,
            request=data,
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
        if len(self._held) + self._arriving + self._backlog >= self._options.max_tasks:
            raise Overloaded(f"{self._options.max_tasks} asynchronous tasks are not finished yet")

    def _arrived(self, stored: asyncio.Future[None], lane: Lane, entry: Entry, *, holds: bool) -> None:
        self._arriving -= 1
        lane.arriving -= holds
        if stored.cancelled() or stored.exception() is not None:
            return
        if holds:
            self._hold(entry)
        else:
            self._backlog += 1
            lane.more = True
        self._pump()

    def _hold(self, entry: Entry) -> None:
        self._held[entry.task_id] = entry
        self._lanes.push(entry)

    # -- from the lanes to the model and to the disk

    def _pump(self) -> None:
        """Start whatever can start."""
        if self._stopping:
            return
        for lane in self._lanes:
            self._refill_if_short(lane)
        while len(self._workers) < self._options.concurrency and (entry := self._lanes.pop()) is not None:
            worker = asyncio.create_task(self._work(entry))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self, entry: Entry | None) -> None:
        """Run one task after the other until none is left."""
        while entry is not None:
            lane = self._lanes.lane(entry.key)
            self._refill_if_short(lane)
            try:
                outcome = await self._attempts.run(entry)
            except NotNow:
                # the whole lane rests, so that others use the places meanwhile
                self._lanes.push(entry)
                self._rest(lane)
            except Gone:
                self._done(entry)
            else:
                lane.failures = 0
                await self._finish(entry, outcome)
            entry = None if self._stopping else self._lanes.pop()

    async def _finish(self, entry: Entry, outcome: Outcome) -> None:
        row = ResultRow(
            id=entry.task_id,
            model=entry.key[0],
            version=entry.key[1],
            face=entry.face,
            accepted=entry.accepted,
            finished=self._clock.now(),
            failed=outcome.failed,
            outcome=outcome.data,
        )
        failures = 0
        while not await self._stored(row):
            await self._clock.sleep(_pause(failures))
            failures += 1
        self._done(entry)

    async def _stored(self, row: ResultRow) -> bool:
        try:
            await self.store.finish(row)
        except StorageFailed as error:
            _log.warning("a result could not be stored yet", extra={"task": row["id"], "problem": error.message})
            return False
        return True

    def _done(self, entry: Entry) -> None:
        self._held.pop(entry.task_id, None)
        self.waiters.wake(entry.task_id)

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
            self._hold(Entry(task.id, lane.key, task.priority, task.face, task.accepted, task.request))
        self._pump()

    # -- from time to time

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self._survey()
                await self._housekeeping.clear(self._clock.now())
            except StorageFailed as error:
                _log.warning("the tasks' database does not answer", extra={"problem": error.message})

    async def _survey(self) -> None:
        self._backlog, served = await self._housekeeping.survey(self._clock.now())
        for key in served:
            self._lanes.lane(key).more = True
        self._pump()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _pause(failures: int) -> float:
    return min(_FIRST_PAUSE_S * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S)
