"""Failures, waiting, and trying again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from pumice.db import Place
from pumice.domain.errors import DeadlineExceeded, ModelFailed, ModelNotReady, Overloaded, PumiceError
from pumice.domain.request import InferRequest
from tests.service.tasks.fakes import Doubler, Gate, HandClock, ask, tasks_of

Hook = Callable[[str, InferRequest], Awaitable[None]]


def raises(error: Exception, times: int = 1_000_000) -> Hook:
    left = iter(range(times))

    async def hook(_model: str, _request: InferRequest) -> None:
        if next(left, None) is not None:
            raise error

    return hook


def test_a_failure_is_kept_as_the_error_that_it_was(place: Place) -> None:
    async def main() -> None:
        tasks = tasks_of(place, Doubler(hook=raises(ModelFailed("double", "it burst"))))
        record = await tasks.wait(await tasks.submit("double", "", ask(1)), 10)
        assert record.status == "failed"
        assert record.result is None
        assert isinstance(record.error, ModelFailed)
        assert (record.error.model, record.error.problem) == ("double", "it burst")
        await tasks.stop()

    asyncio.run(main())


def test_an_unknown_failure_is_logged_whole_and_told_in_general(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> PumiceError | None:
        tasks = tasks_of(place, Doubler(hook=raises(ZeroDivisionError("secret of the house"))))
        record = await tasks.wait(await tasks.submit("double", "", ask(1)), 10)
        await tasks.stop()
        return record.error

    with caplog.at_level(logging.ERROR, logger="pumice.tasks"):
        error = asyncio.run(main())
    assert error is not None
    assert (error.code, error.message) == ("internal", "Internal error")
    assert "secret of the house" in caplog.text


def test_one_bad_task_leaves_the_others_alone(place: Place) -> None:
    async def fails_on_odd(_model: str, request: InferRequest) -> None:
        if request.inputs["x"].flat[0] % 2:
            raise ModelFailed("double", "odd")

    async def main() -> None:
        tasks = tasks_of(place, Doubler(hook=fails_on_odd))
        ids = await asyncio.gather(*(tasks.submit("double", "", ask(n)) for n in range(20)))
        records = [await tasks.wait(task_id, 10) for task_id in ids]
        assert [record.status for record in records] == ["completed", "failed"] * 10
        await tasks.stop()

    asyncio.run(main())


def test_waiting_ends_with_the_time_or_with_the_task(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        tasks = tasks_of(place, Doubler(hook=gate))
        task_id = await tasks.submit("double", "", ask(1))
        for seconds in (0, 0.01):
            assert (await tasks.wait(task_id, seconds)).status == "processing"
        waiting = [asyncio.create_task(tasks.wait(task_id, 60)) for _ in range(3)]
        waiting.append(asyncio.create_task(tasks.wait(task_id, 0.001)))
        assert (await waiting.pop()).status == "processing"
        gate.open()
        assert [record.status for record in await asyncio.gather(*waiting)] == ["completed"] * 3
        assert (await tasks.wait(task_id, 60)).status == "completed"
        await tasks.stop()

    asyncio.run(main())


def test_who_waits_is_told_when_the_server_stops(place: Place) -> None:
    async def main() -> None:
        gate = Gate()
        tasks = tasks_of(place, Doubler(hook=gate))
        task_id = await tasks.submit("double", "", ask(1))
        waiting = asyncio.create_task(tasks.wait(task_id, 60))
        await gate.until(1)
        await tasks.stop(grace_s=0)
        assert (await waiting).status == "processing"

    asyncio.run(main())


@pytest.mark.parametrize("error", [ModelNotReady("double", "loading"), Overloaded("full")], ids=["loading", "busy"])
def test_a_model_that_cannot_answer_is_tried_again_ever_more_patiently(place: Place, error: Exception) -> None:
    async def main() -> None:
        clock = HandClock()
        runner = Doubler(hook=raises(error, times=9))
        tasks = tasks_of(place, runner, clock)
        task_id = await tasks.submit("double", "", ask(1))
        for times in range(1, 10):
            pauses = await clock.until_slept(lambda seconds: seconds <= 5, times)
            assert len(runner.runs) == times
            assert (await tasks.get(task_id)).status == "processing"
            clock.turn(pauses[-1])
        assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
        assert (await tasks.wait(task_id, 10)).status == "completed"
        await tasks.stop()

    asyncio.run(main())


def test_a_model_that_loads_takes_tasks_and_checks_them_later(place: Place) -> None:
    async def main() -> None:
        clock, runner = HandClock(), Doubler()
        runner.loading = True
        tasks = tasks_of(place, runner, clock)
        good = await tasks.submit("double", "", ask(1))
        bad = await tasks.submit("double", "", InferRequest({}))
        await clock.until_slept(lambda seconds: seconds < 5)
        runner.loading = False
        clock.turn(5)
        assert (await tasks.wait(good, 10)).status == "completed"
        error = (await tasks.wait(bad, 10)).error
        assert error is not None
        assert error.code == "signature-mismatch"
        await tasks.stop()

    asyncio.run(main())


def test_a_model_that_is_down_holds_no_place(place: Place) -> None:
    async def only_up(model: str, _request: InferRequest) -> None:
        if model == "down":
            raise ModelNotReady("down", "no replica")

    async def main() -> None:
        tasks = tasks_of(place, Doubler("down", "up", hook=only_up), HandClock(), concurrency=2)
        await asyncio.gather(*(tasks.submit("down", "", ask(n, priority=1)) for n in range(10)))
        up = await asyncio.gather(*(tasks.submit("up", "", ask(n)) for n in range(10)))
        assert {(await tasks.wait(task_id, 10)).status for task_id in up} == {"completed"}
        await tasks.stop()

    asyncio.run(main())


def test_trying_again_ends_when_the_task_is_as_old_as_results_get(place: Place) -> None:
    async def main() -> None:
        clock = HandClock()
        tasks = tasks_of(place, Doubler(hook=raises(ModelNotReady("double", "no replica"))), clock)
        task_id = await tasks.submit("double", "", ask(1))
        await clock.until_slept(lambda seconds: seconds < 5)
        clock.turn(3601)
        record = await tasks.wait(task_id, 10)
        assert record.status == "failed"
        assert isinstance(record.error, ModelNotReady)
        await tasks.stop()

    asyncio.run(main())


def test_a_deadline_goes_with_the_task(place: Place) -> None:
    clock = HandClock()

    async def keeps_deadlines(_model: str, request: InferRequest) -> None:
        if request.deadline is not None and request.deadline <= clock.monotonic():
            raise DeadlineExceeded("the request's deadline")

    async def main() -> None:
        runner = Doubler(hook=keeps_deadlines)
        runner.loading = True
        tasks = tasks_of(place, runner, clock)
        request = ask(1)
        request.deadline = clock.monotonic() + 30
        task_id = await tasks.submit("double", "", request)
        await clock.until_slept(lambda seconds: seconds < 5)
        await tasks.stop()
        clock.turn(31)
        runner.loading = False
        tasks = tasks_of(place, runner, clock)
        await tasks.start()
        record = await tasks.wait(task_id, 10)
        assert isinstance(record.error, DeadlineExceeded)
        await tasks.stop()

    asyncio.run(main())
