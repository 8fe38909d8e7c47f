"""Cancelling: what waits, what runs, what is done, and what another gateway runs."""

import asyncio

import pytest

from pumice.db import Place
from pumice.domain.errors import Cancelled, TaskNotFound
from pumice.service.tasks import TaskWish
from tests.service.tasks.fakes import Doubler, Gate, ask, tasks_of


def test_a_task_that_waits_is_never_run(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        runner = Doubler(hook=gate)
        tasks = tasks_of(place, runner, concurrency=1)
        first, second, third = [await tasks.submit("double", "", ask(n)) for n in range(3)]
        await gate.until(1)
        record = await tasks.cancel(second)
        assert record is not None
        assert record.status == "failed"
        assert isinstance(record.error, Cancelled)
        gate.open()
        assert (await tasks.wait(third, 10)).status == "completed"
        assert (await tasks.wait(first, 10)).status == "completed"
        assert [x for _, x in runner.runs] == [0, 2]
        assert isinstance((await tasks.get(second)).error, Cancelled)
        await tasks.stop()

    asyncio.run(main())


def test_a_task_that_runs_is_dropped_and_its_place_is_free(place: Place) -> None:
    async def main() -> None:
        dropped = asyncio.Event()

        async def held(_model: str, request: object) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                dropped.set()

        runner = Doubler(hook=held)
        tasks = tasks_of(place, runner, concurrency=1)
        task_id = await tasks.submit("double", "", ask(1))
        waiting = asyncio.create_task(tasks.wait(task_id, 60))
        await asyncio.wait([waiting], timeout=0)
        assert await tasks.cancel(task_id) is not None
        await dropped.wait()
        assert isinstance((await waiting).error, Cancelled)
        runner.hook = None
        again = await tasks.submit("double", "", ask(2))
        assert (await tasks.wait(again, 10)).status == "completed"
        await tasks.stop()

    asyncio.run(main())


def test_cancelling_again_says_the_same_and_deleting_again_finds_nothing(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        tasks = tasks_of(place, Doubler(hook=gate))
        cancelled = await tasks.submit("double", "", ask(1))
        for _ in range(2):
            record = await tasks.cancel(cancelled)
            assert record is not None
            assert isinstance(record.error, Cancelled)
        gate.open()
        done = await tasks.submit("double", "", ask(2))
        await tasks.wait(done, 10)
        assert await tasks.cancel(done) is None
        for look in (tasks.get(done), tasks.cancel(done), tasks.cancel("nothing")):
            with pytest.raises(TaskNotFound):
                await look
        await tasks.stop()

    asyncio.run(main())


def test_what_another_gateway_runs_is_dropped_there(place: Place) -> None:
    async def main() -> None:
        dropped = asyncio.Event()

        async def held(_model: str, request: object) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                dropped.set()

        one, other = tasks_of(place, Doubler(hook=held)), tasks_of(place, Doubler())
        task_id = await one.submit("double", "", ask(1))
        waiting = asyncio.create_task(one.wait(task_id, 60))
        assert await other.cancel(task_id) is not None
        await dropped.wait()
        assert isinstance((await waiting).error, Cancelled)
        await one.stop()
        await other.stop()

    asyncio.run(main())


def test_a_cancelled_task_is_not_found_again_after_a_restart(place: Place) -> None:
    async def main() -> None:
        runner = Doubler()
        runner.loading = True
        first = tasks_of(place, runner)
        task_id = await first.submit("double", "", ask(1))
        await first.cancel(task_id)
        await first.stop(0)
        runner.loading = False
        second = tasks_of(place, runner)
        await second.start()
        assert isinstance((await second.get(task_id)).error, Cancelled)
        assert runner.runs == []
        await second.stop()

    asyncio.run(main())


def test_a_task_is_its_callers_alone(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        tasks = tasks_of(place, Doubler(hook=gate))
        task_id = await tasks.submit("double", "", ask(1), TaskWish(caller="key:1"))
        for finished in (False, True):
            if finished:
                gate.open()
                await tasks.wait(task_id, 10, "key:1")
            for caller in ("", "key:2"):
                for look in (
                    tasks.get(task_id, caller),
                    tasks.wait(task_id, 1, caller),
                    tasks.cancel(task_id, caller),
                ):
                    with pytest.raises(TaskNotFound):
                        await look
        assert (await tasks.get(task_id, "key:1")).status == "completed"
        await tasks.stop()

    asyncio.run(main())
