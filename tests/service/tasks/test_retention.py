"""Results are kept for their time and then go; tasks of models that nobody serves wait."""

import asyncio

import pytest
from sqlalchemy import text

from pumice.db import Place
from pumice.db.engine import open_database
from pumice.db.upkeep import PAGE
from pumice.domain.errors import ModelNotReady, TaskNotFound
from tests.service.tasks.fakes import EVERY_S, Doubler, HandClock, ask, tasks_of

TTL = 3600.0


def count(place: Place, table: str) -> int:
    engine = open_database(place)
    with engine.begin() as connection:
        rows: int = connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 a name of ours
    engine.dispose()
    return rows


async def keep_house(clock: HandClock, round_: int) -> None:
    """Let the time for housekeeping come, and wait until it is over."""
    await clock.until_slept(lambda seconds: seconds == EVERY_S, round_)
    clock.turn(EVERY_S)
    await clock.until_slept(lambda seconds: seconds == EVERY_S, round_ + 1)


def test_results_go_after_their_time(place: Place) -> None:
    async def main() -> None:
        clock = HandClock()
        tasks = tasks_of(place, Doubler(), clock)
        old = await tasks.submit("double", "", ask(1))
        await tasks.wait(old, 10)
        clock.turn(TTL / 2)
        young = await tasks.submit("double", "", ask(2))
        await tasks.wait(young, 10)
        clock.turn(TTL / 2 - 1)
        assert (await tasks.get(old)).status == "completed"
        clock.turn(2)
        # at once for the caller, on disk with the next cleaning
        with pytest.raises(TaskNotFound):
            await tasks.get(old)
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 2)
        await keep_house(clock, 2)
        assert count(place, "task_results") == 1
        assert (await tasks.get(young)).status == "completed"
        await tasks.stop()

    asyncio.run(main())


def test_more_than_a_page_of_old_results_goes_in_one_cleaning(place: Place) -> None:
    async def main() -> None:
        clock = HandClock()
        tasks = tasks_of(place, Doubler(), clock)
        ids = await asyncio.gather(*(tasks.submit("double", "", ask(n)) for n in range(PAGE + 50)))
        for task_id in ids:
            await tasks.wait(task_id, 30)
        clock.turn(TTL + 1)
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 2)
        await tasks.stop()
        assert count(place, "task_results") == 0

    asyncio.run(main())


def test_tasks_of_a_model_that_is_not_served_wait_until_it_is(place: Place) -> None:
    async def main() -> None:
        clock, runner = HandClock(), Doubler("gone")
        runner.loading = True
        first = tasks_of(place, runner, clock)
        task_id = await first.submit("gone", "", ask(4))
        await first.stop(grace_s=0)

        other = Doubler("other")
        second = tasks_of(place, other, clock)
        await second.start()
        assert (await second.get(task_id)).status == "processing"
        await keep_house(clock, 2)
        assert other.runs == []
        other.catalog.names.add("gone")
        await keep_house(clock, 3)
        assert (await second.wait(task_id, 10)).status == "completed"
        await second.stop()

    asyncio.run(main())


def test_tasks_that_nobody_ever_serves_fail_in_the_end(place: Place) -> None:
    async def main() -> None:
        clock, runner = HandClock(), Doubler("gone")
        runner.loading = True
        first = tasks_of(place, runner, clock)
        task_id = await first.submit("gone", "", ask(4))
        await first.stop(grace_s=0)

        other = Doubler("other")
        second = tasks_of(place, other, clock)
        await second.start()
        assert other.pending == {("gone", ""): 1}
        clock.turn(TTL + 1)
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 3)
        record = await second.get(task_id)
        assert record.status == "failed"
        assert isinstance(record.error, ModelNotReady)
        assert count(place, "tasks") == 0
        assert other.counted["failed"] == 1
        await second.stop()

    asyncio.run(main())
