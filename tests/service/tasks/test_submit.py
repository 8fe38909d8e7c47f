"""What is accepted, what is refused, and what nobody pays for before the first task."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pumice.db import Place, database_file
from pumice.domain.errors import ModelNotFound, Overloaded, SignatureMismatch, TaskNotFound
from pumice.domain.request import InferRequest
from pumice.service.tasks import TaskWish
from tests.service.tasks.fakes import Doubler, Gate, ask, tasks_of

FREE = """
import asyncio, sys
from pathlib import Path
from pumice.service.tasks import Tasks
from tests.service.tasks.fakes import Doubler, tasks_of

async def main():
    tasks = tasks_of(Path(sys.argv[1]), Doubler())
    await tasks.start()
    await tasks.stop()

asyncio.run(main())
print("sqlalchemy" in sys.modules)
"""


def test_until_the_first_task_nothing_is_imported_and_nothing_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    result = subprocess.run(
        [sys.executable, "-c", FREE, str(home)], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.strip() == "False"
    assert not home.exists()


def test_a_task_is_run_and_its_result_kept(place: Place) -> None:
    async def main() -> None:
        tasks = tasks_of(place, Doubler())
        task_id = await tasks.submit("double", "", ask(21), TaskWish(face="http"))
        record = await tasks.wait(task_id, 10)
        assert (record.task_id, record.status, record.model, record.version) == (task_id, "completed", "double", "")
        assert record.face == "http"
        assert record.finished is not None
        assert record.accepted <= record.finished
        assert record.error is None
        assert record.result is not None
        assert record.result.outputs["y"].tolist() == [[42.0] * 4]
        assert record.result.version == "1"
        again = await tasks.get(task_id)
        assert again.status == "completed"
        await tasks.stop()

    asyncio.run(main())


def test_what_is_known_to_be_bad_is_refused_and_not_stored(tmp_path: Path) -> None:
    async def main() -> None:
        tasks = tasks_of(tmp_path, Doubler())
        with pytest.raises(ModelNotFound):
            await tasks.submit("other", "", ask(1))
        with pytest.raises(SignatureMismatch):
            await tasks.submit("double", "", InferRequest({"z": np.zeros(1)}))
        assert not database_file(tmp_path).exists()
        await tasks.stop()

    asyncio.run(main())


def test_no_more_than_so_many_may_be_unfinished(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        tasks = tasks_of(place, Doubler(hook=gate), max_tasks=20)
        answers = await asyncio.gather(*(tasks.submit("double", "", ask(n)) for n in range(30)), return_exceptions=True)
        accepted = [answer for answer in answers if isinstance(answer, str)]
        assert len(accepted) == 20
        assert {type(answer) for answer in answers} == {str, Overloaded}
        gate.open()
        await asyncio.gather(*(tasks.wait(task_id, 10) for task_id in accepted))
        await tasks.submit("double", "", ask(1))
        await tasks.stop()

    asyncio.run(main())


def test_one_that_stops_takes_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        used, unused = tasks_of(tmp_path, Doubler()), tasks_of(tmp_path / "other", Doubler())
        await used.submit("double", "", ask(1))
        for tasks in (used, unused):
            await tasks.stop()
            with pytest.raises(Overloaded, match="stopping"):
                await tasks.submit("double", "", ask(1))

    asyncio.run(main())


def test_an_unknown_task_is_not_found_whether_there_is_a_database_or_not(tmp_path: Path) -> None:
    async def main() -> None:
        tasks = tasks_of(tmp_path, Doubler())
        with pytest.raises(TaskNotFound):
            await tasks.get("nothing")
        assert not database_file(tmp_path).exists()
        await tasks.submit("double", "", ask(1))
        for look in (tasks.get("nothing"), tasks.wait("nothing", 10)):
            with pytest.raises(TaskNotFound):
                await look
        await tasks.stop()

    asyncio.run(main())


def test_a_caller_that_leaves_while_its_task_is_stored_leaves_a_task_that_runs(place: Place) -> None:
    async def main() -> None:
        runner, gate = Doubler(), Gate()
        runner.hook = gate
        gate.open()
        tasks = tasks_of(place, runner)
        await tasks.submit("double", "", ask(0))
        leaving = asyncio.create_task(tasks.submit("double", "", ask(1)))
        # one turn of the loop: it has called the database, whose thread needs a disk's time to answer
        await asyncio.wait([leaving], timeout=0)
        leaving.cancel()
        await gate.until(2)
        await tasks.stop()
        assert [value for _, value in runner.runs] == [0, 1]

    asyncio.run(main())


@pytest.mark.parametrize("rows", [1, 3000], ids=["small", "larger than what is kept in memory"])
def test_many_at_once_all_finish_with_their_own_result(place: Place, rows: int) -> None:
    async def main() -> None:
        gate = Gate()
        runner = Doubler(hook=gate)
        tasks = tasks_of(place, runner, concurrency=16)
        ids = await asyncio.gather(*(tasks.submit("double", "", ask(n, rows=rows)) for n in range(200)))
        await gate.until(16)
        gate.open()
        records = await asyncio.gather(*(tasks.wait(task_id, 30) for task_id in ids))
        for n, record in enumerate(records):
            assert record.result is not None
            assert record.result.outputs["y"].shape == (rows, 4)
            assert np.all(record.result.outputs["y"] == 2 * n)
        assert len(set(ids)) == 200
        assert runner.most_running == 16
        await tasks.stop()

    asyncio.run(main())


def test_a_backlog_larger_than_memory_holds_is_run_in_order(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        runner = Doubler(hook=gate)
        tasks = tasks_of(place, runner, concurrency=1)
        ids = [await tasks.submit("double", "", ask(0))]
        ids += await asyncio.gather(*(tasks.submit("double", "", ask(n)) for n in range(1, 600)))
        gate.open()
        # the last is on disk only, and yet one can wait for it
        assert (await tasks.wait(ids[-1], 60)).status == "completed"
        assert [value for _, value in runner.runs] == [float(n) for n in range(600)]
        await tasks.stop()

    asyncio.run(main())


def test_another_model_and_an_urgent_task_pass_a_backlog(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        runner = Doubler("long", "short", hook=gate)
        tasks = tasks_of(place, runner, concurrency=1)
        await tasks.submit("long", "", ask(0))
        await gate.until(1)
        await asyncio.gather(*(tasks.submit("long", "", ask(n)) for n in range(1, 700)))
        short = await tasks.submit("short", "", ask(1))
        urgent = await tasks.submit("long", "", ask(-1, priority=1))
        gate.open()
        await asyncio.gather(tasks.wait(short, 30), tasks.wait(urgent, 30))
        assert runner.runs[1] == ("long", -1.0)
        assert ("short", 1.0) in runner.runs[2:4]
        await tasks.stop()

    asyncio.run(main())
