"""Results are kept for their time and then go; tasks of models that nobody serves wait."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from pumice.db import database_file
from pumice.db.upkeep import PAGE
from pumice.domain.errors import ModelNotReady, TaskNotFound
from tests.service.tasks.fakes import EVERY_S, Doubler, HandClock, ask, tasks_of

TTL = 3600.0


def count(home: Path, table: str) -> int:
    connection = sqlite3.connect(database_file(home))
    rows: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 a name of ours
    connection.close()
    return rows


async def keep_house(clock: HandClock, round_: int) -> None:
    """Let the time for housekeeping come, and wait until it is over."""
    await clock.until_slept(lambda seconds: seconds == EVERY_S, round_)
    clock.turn(EVERY_S)
    await clock.until_slept(lambda seconds: seconds == EVERY_S, round_ + 1)


def test_results_go_after_their_time(tmp_path: Path) -> None:
    async def main() -> None:
        clock = HandClock()
        tasks = tasks_of(tmp_path, Doubler(), clock)
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
        assert count(tmp_path, "task_results") == 1
        assert (await tasks.get(young)).status == "completed"
        await tasks.stop()

    asyncio.run(main())


def test_more_than_a_page_of_old_results_goes_in_one_cleaning(tmp_path: Path) -> None:
    async def main() -> None:
        clock = HandClock()
        tasks = tasks_of(tmp_path, Doubler(), clock)
        ids = await asyncio.gather(*(tasks.submit("double", "", ask(n)) for n in range(PAGE + 50)))
        for task_id in ids:
            await tasks.wait(task_id, 30)
        clock.turn(TTL + 1)
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 2)
        await tasks.stop()
        assert count(tmp_path, "task_results") == 0

    asyncio.run(main())


def test_tasks_of_a_model_that_is_not_served_wait_until_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        clock, runner = HandClock(), Doubler("gone")
        runner.loading = True
        first = tasks_of(tmp_path, runner, clock)
        task_id = await first.submit("gone", "", ask(4))
        await first.stop(grace_s=0)

        other = Doubler("other")
        second = tasks_of(tmp_path, other, clock)
        await second.start()
        assert (await second.get(task_id)).status == "processing"
        await keep_house(clock, 2)
        assert other.runs == []
        other.catalog.names.add("gone")
        await keep_house(clock, 3)
        assert (await second.wait(task_id, 10)).status == "completed"
        await second.stop()

    asyncio.run(main())


def test_tasks_that_nobody_ever_serves_fail_in_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        clock, runner = HandClock(), Doubler("gone")
        runner.loading = True
        first = tasks_of(tmp_path, runner, clock)
        task_id = await first.submit("gone", "", ask(4))
        await first.stop(grace_s=0)

        second = tasks_of(tmp_path, Doubler("other"), clock)
        await second.start()
        clock.turn(TTL + 1)
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 3)
        record = await second.get(task_id)
        assert record.status == "failed"
        assert isinstance(record.error, ModelNotReady)
        assert count(tmp_path, "tasks") == 0
        await second.stop()

    asyncio.run(main())
