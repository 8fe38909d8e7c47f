"""Tasks of many rows: their progress, what a restart keeps, and that one version answers all of it."""

import asyncio

import numpy as np
import pytest

from pumice.db import Place
from pumice.domain.errors import ModelNotFound, ModelNotReady
from pumice.domain.request import InferRequest
from pumice.service.tasks import Progress
from pumice.service.tasks.parts import FIRST_ROWS
from tests.service.tasks.fakes import Doubler, Gate, HandClock, ask, tasks_of

ROWS = 1000


def numbered(rows: int = ROWS) -> InferRequest:
    """Rows that can be told apart."""
    return InferRequest({"x": np.repeat(np.arange(rows, dtype=np.float32)[:, None], 4, axis=1)})


def test_parts_grow_while_they_are_quick_and_make_up_the_whole(place: Place) -> None:
    async def main() -> None:
        runner = Doubler()
        tasks = tasks_of(place, runner, HandClock())
        record = await tasks.wait(await tasks.submit("double", "", numbered()), 10)
        assert record.result is not None
        assert record.result.outputs["y"].tolist() == [[2.0 * n] * 4 for n in range(ROWS)]
        assert runner.sizes == [64, 128, 256, 512, 40]
        await tasks.stop()

    asyncio.run(main())


def test_a_task_of_few_rows_is_run_as_a_whole(place: Place) -> None:
    async def main() -> None:
        runner = Doubler()
        tasks = tasks_of(place, runner)
        await tasks.wait(await tasks.submit("double", "", ask(1, rows=FIRST_ROWS)), 10)
        assert runner.sizes == [FIRST_ROWS]
        await tasks.stop()

    asyncio.run(main())


def test_parts_that_take_long_become_smaller(place: Place) -> None:
    clock = HandClock()

    async def slow(_model: str, request: InferRequest) -> None:
        clock.turn(len(request.inputs["x"]) / 16)

    async def main() -> None:
        runner = Doubler(hook=slow)
        tasks = tasks_of(place, runner, clock)
        await tasks.wait(await tasks.submit("double", "", numbered(200)), 10)
        assert runner.sizes[:4] == [64, 32, 16, 16]
        await tasks.stop()

    asyncio.run(main())


def test_progress_is_what_is_done_and_what_is_ahead(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        came = asyncio.Event()

        async def third_part_waits(model: str, request: InferRequest) -> None:
            if request.inputs["x"][0, 0] == 192:
                came.set()
                await gate(model, request)

        tasks = tasks_of(place, Doubler(hook=third_part_waits), concurrency=1)
        first = await tasks.submit("double", "", numbered())
        later = [await tasks.submit("double", "", ask(1)) for _ in range(2)]
        await came.wait()
        assert (await tasks.get(first)).progress == Progress(192, ROWS, 0)
        assert [(await tasks.get(task_id)).progress for task_id in later] == [Progress(0, 1, 0), Progress(0, 1, 1)]
        gate.open()
        record = await tasks.wait(first, 10)
        assert (record.status, record.progress) == ("completed", None)
        await tasks.stop()

    asyncio.run(main())


def test_a_restart_goes_on_where_the_disk_knows_of_it(place: Place) -> None:
    clock = HandClock()

    async def slow(_model: str, request: InferRequest) -> None:
        clock.turn(1.0)

    async def main() -> None:
        gate, came = Gate(), asyncio.Event()

        async def stops(model: str, request: InferRequest) -> None:
            await slow(model, request)
            if request.inputs["x"][0, 0] >= 320:
                came.set()
                await gate(model, request)

        first = tasks_of(place, Doubler(hook=stops), clock)
        task_id = await first.submit("double", "", numbered())
        await came.wait()
        # another gateway sees how far it is, as far as the disk knows
        watcher = tasks_of(place, Doubler("other"))
        progress = (await watcher.get(task_id)).progress
        assert progress is not None
        assert 0 < progress.done <= 320
        assert progress.total == ROWS
        await watcher.stop()
        await first.stop(0)

        runner = Doubler(hook=slow)
        second = tasks_of(place, runner, clock)
        await second.start()
        record = await second.wait(task_id, 20)
        assert record.result is not None
        assert record.result.outputs["y"].tolist() == [[2.0 * n] * 4 for n in range(ROWS)]
        assert sum(runner.sizes) == ROWS - progress.done
        await second.stop()

    asyncio.run(main())


def test_what_is_done_is_not_done_again_when_the_model_is_away_for_a_while(place: Place) -> None:
    async def main() -> None:
        clock = HandClock()
        away = iter([True])

        async def once_away(_model: str, request: InferRequest) -> None:
            if request.inputs["x"][0, 0] == 192 and next(away, False):
                raise ModelNotReady("double", "restarting")

        runner = Doubler(hook=once_away)
        tasks = tasks_of(place, runner, clock)
        task_id = await tasks.submit("double", "", numbered())
        await clock.until_slept(lambda seconds: seconds < 5)
        clock.turn(5)
        assert (await tasks.wait(task_id, 10)).status == "completed"
        assert runner.runs.count(("double", 0.0)) == 1
        await tasks.stop()

    asyncio.run(main())


@pytest.mark.parametrize("named", ["", "1"], ids=["newest", "named"])
def test_one_version_answers_all_of_it(place: Place, named: str) -> None:
    async def main() -> None:
        runner = Doubler()
        gone = iter([True])

        async def goes(_model: str, request: InferRequest) -> None:
            if request.inputs["x"][0, 0] == 192 and next(gone, False):
                if named:
                    runner.hook = None
                    raise ModelNotReady("double", "unloading")
                raise ModelNotFound("double", "1", ("2",))

        runner.hook = goes
        tasks = tasks_of(place, runner)
        record = await tasks.wait(await tasks.submit("double", named, numbered()), 10)
        assert record.result is not None
        assert record.result.outputs["y"].tolist() == [[2.0 * n] * 4 for n in range(ROWS)]
        assert runner.runs.count(("double", 0.0)) == (1 if named else 2)
        await tasks.stop()

    asyncio.run(main())
