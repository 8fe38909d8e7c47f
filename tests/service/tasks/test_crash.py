"""Nothing that was accepted is lost, whatever happens to the process, the disk or the neighbours."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pumice.db import Place, database_file
from pumice.service.tasks import TaskRecord, Tasks
from tests.service.tasks.fakes import EVERY_S, Doubler, Gate, HandClock, ask, tasks_of

ROOT = Path(__file__).parents[3]


@contextmanager
def gateway(kind: str, place: Place) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.service.tasks.gateway_process", kind, str(place.home), place.url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def accepted(process: subprocess.Popen[str], *, at_least: int) -> dict[str, int]:
    """Kill the process once it has told of so many tasks; return all that it told of."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(at_least)]
    process.kill()
    lines += process.stdout.readlines()
    # the last line may be torn
    words = [line.split() for line in lines if line.endswith("\n")]
    return {task_id: int(x) for word, task_id, x in words if word == "accepted"}


async def outcomes(tasks: Tasks, ids: dict[str, int]) -> list[TaskRecord]:
    return await asyncio.gather(*(tasks.wait(task_id, 60) for task_id in ids))


def check(records: list[TaskRecord], ids: dict[str, int]) -> None:
    assert {record.status for record in records} == {"completed"}
    for record, x in zip(records, ids.values(), strict=True):
        assert record.result is not None
        assert record.result.outputs["y"].tolist() == [[2.0 * x] * 4]


def test_after_kill_9_every_accepted_task_is_finished(place: Place) -> None:
    with gateway("stuck", place) as process:
        ids = accepted(process, at_least=700)
    assert len(ids) >= 700

    async def main() -> None:
        runner = Doubler()
        tasks = tasks_of(place, runner)
        await tasks.start()
        check(await outcomes(tasks, ids), ids)
        # every third was finished before, except those that the kill met on their way to the disk
        again = [x for _, x in runner.runs if x in set(ids.values())]
        assert len(again) < len(ids)
        assert len(again) == len(set(again)), "once is enough"
        await tasks.stop()

    asyncio.run(main())


def test_killed_again_and_again_it_still_finishes_all(place: Place) -> None:
    ids: dict[str, int] = {}
    for _ in range(3):
        with gateway("stuck", place) as process:
            ids |= accepted(process, at_least=50)

    async def main() -> None:
        tasks = tasks_of(place, Doubler())
        await tasks.start()
        check(await outcomes(tasks, ids), ids)
        await tasks.stop()

    asyncio.run(main())


def test_a_neighbour_leaves_the_living_alone_and_takes_over_from_the_dead(place: Place) -> None:
    async def main() -> None:
        clock, runner = HandClock(), Doubler()
        tasks = tasks_of(place, runner, clock)
        with gateway("stuck", place) as process:
            assert process.stdout is not None
            for _ in range(20):
                process.stdout.readline()
            await tasks.start()
            await clock.until_slept(lambda seconds: seconds == EVERY_S)
            clock.turn(EVERY_S)
            await clock.until_slept(lambda seconds: seconds == EVERY_S, 2)
            assert runner.runs == []
            ids = accepted(process, at_least=20)
        clock.turn(EVERY_S)
        check(await outcomes(tasks, ids), ids)
        await tasks.stop()

    asyncio.run(main())


def test_two_gateways_of_one_home_do_not_run_each_others_tasks(place: Place) -> None:
    async def main() -> None:
        clock, gate = HandClock(), Gate()
        one, other = Doubler(hook=gate), Doubler()
        first, second = tasks_of(place, one, clock), tasks_of(place, other, clock)
        task_id = await first.submit("double", "", ask(5))
        await second.start()
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 2)
        # an hour in which nobody renews a lease: the lock says that the first lives
        clock.turn(3000)
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 4)
        waiting = asyncio.create_task(second.wait(task_id, 30))
        gate.open()
        record = await waiting
        assert record.status == "completed"
        assert other.runs == []
        await first.stop()
        await second.stop()

    asyncio.run(main())


def test_what_one_gateway_leaves_its_neighbour_takes(place: Place) -> None:
    async def main() -> None:
        clock, gate = HandClock(), Gate()
        first, second = tasks_of(place, Doubler(hook=gate), clock), tasks_of(place, Doubler(), clock)
        task_id = await first.submit("double", "", ask(5))
        await second.start()
        await gate.until(1)
        await first.stop(grace_s=0)
        await clock.until_slept(lambda seconds: seconds == EVERY_S, 2)
        clock.turn(EVERY_S)
        assert (await second.wait(task_id, 30)).status == "completed"
        await second.stop()

    asyncio.run(main())


def test_stopping_lets_running_tasks_finish_and_leaves_the_rest(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        runner = Doubler(hook=gate)
        first = tasks_of(place, runner, concurrency=2)
        ids = {await first.submit("double", "", ask(x)): x for x in range(5)}
        await gate.until(2)
        stopping = asyncio.create_task(first.stop(grace_s=30))
        await asyncio.wait([stopping], timeout=0)
        gate.open()
        await stopping
        assert sorted(x for _, x in runner.runs) == [0, 1]

        second = tasks_of(place, runner)
        await second.start()
        check(await outcomes(second, ids), ids)
        assert sorted(x for _, x in runner.runs) == [0, 1, 2, 3, 4]
        await second.stop()

    asyncio.run(main())


def test_a_full_disk_accepts_nothing_that_it_cannot_keep(tmp_path: Path) -> None:
    with gateway("full", Place(tmp_path)) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
        assert process.wait() == 0
    refused = [line for line in lines if line.startswith("refused")]
    finished = [line.split() for line in lines if line.startswith("finished")]
    assert len(refused) == 1
    assert refused[0].startswith(f"refused storage-failed {database_file(tmp_path)}: ")
    assert len(finished) > 3
    assert {right for _, _, right in finished} == {"True"}
    connection = sqlite3.connect(database_file(tmp_path))
    stored = {task_id for (task_id,) in connection.execute("SELECT id FROM task_results UNION SELECT id FROM tasks")}
    connection.close()
    assert stored == {task_id for _, task_id, _ in finished}, "what was refused is not there"
