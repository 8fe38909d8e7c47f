"""Several gateways, each with a home of its own, on one PostgreSQL queue."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from pumice.db import Place
from pumice.domain.errors import BadSetting, StorageFailed
from pumice.service.tasks import Tasks
from tests.service.tasks.fakes import Doubler, Gate, ask, tasks_of
from tests.service.tasks.test_crash import accepted, check, gateway, outcomes
from tests.support.postgres import MISSING, Cluster, binaries

SHORT_LEASE = 1.5


def elsewhere(place: Place, name: str) -> Place:
    """The same database from another host: without the locks in the home."""
    return Place(place.home / name, place.url)


def test_each_task_is_run_once_whoever_took_it(postgres: Place) -> None:
    async def main() -> None:
        runners = [Doubler() for _ in range(3)]
        gateways = [tasks_of(elsewhere(postgres, str(n)), runner) for n, runner in enumerate(runners)]
        for tasks in gateways:
            await tasks.start()
        ids = await asyncio.gather(*(gateways[n % 3].submit("double", "", ask(n)) for n in range(600)))
        # each asks another gateway than the one that took it
        check(
            await asyncio.gather(*(gateways[(n + 1) % 3].wait(task_id, 60) for n, task_id in enumerate(ids))),
            {task_id: n for n, task_id in enumerate(ids)},
        )
        runs = sorted(x for runner in runners for _, x in runner.runs)
        assert runs == [float(n) for n in range(600)]
        for tasks in gateways:
            await tasks.stop()

    asyncio.run(main())


def test_a_backlog_of_one_is_helped_with_by_another(postgres: Place) -> None:
    async def main() -> None:
        gate = Gate()
        busy, idle = Doubler(hook=gate), Doubler()
        one = tasks_of(elsewhere(postgres, "one"), busy, concurrency=1)
        other = tasks_of(elsewhere(postgres, "other"), idle, lease=SHORT_LEASE)
        await other.start()
        ids = await asyncio.gather(*(one.submit("double", "", ask(n)) for n in range(700)))
        # the window of the one is full and its place is taken, so the rest is the other's
        assert (await other.wait(ids[-1], 60)).status == "completed"
        assert len(idle.runs) > 300
        gate.open()
        known = {task_id: n for n, task_id in enumerate(ids)}
        check(await outcomes(other, known), known)
        assert len(idle.runs) + len(busy.runs) == 700
        await one.stop()
        await other.stop()

    asyncio.run(main())


def test_what_a_killed_gateway_held_another_host_finishes(postgres: Place) -> None:
    with gateway("stuck", elsewhere(postgres, "killed")) as process:
        ids = accepted(process, at_least=300)

    async def main() -> None:
        tasks = tasks_of(elsewhere(postgres, "other"), Doubler(), lease=SHORT_LEASE)
        await tasks.start()
        check(await outcomes(tasks, ids), ids)
        await tasks.stop()

    asyncio.run(main())


def test_gateways_that_start_together_make_the_tables_once(postgres: Place) -> None:
    async def main() -> None:
        gateways = [tasks_of(elsewhere(postgres, str(n)), Doubler()) for n in range(4)]
        await asyncio.gather(*(tasks.start() for tasks in gateways))
        ids = await asyncio.gather(*(tasks.submit("double", "", ask(1)) for tasks in gateways))
        assert [(await gateways[0].wait(task_id, 20)).status for task_id in ids] == ["completed"] * 4
        await asyncio.gather(*(tasks.stop() for tasks in gateways))

    asyncio.run(main())


@pytest.mark.skipif(binaries() is None, reason=MISSING)
def test_a_server_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """What was accepted is finished; what comes meanwhile is refused at once, with the time to come back."""

    async def main(cluster: Cluster) -> None:
        gate = Gate()
        tasks = tasks_of(Place(tmp_path, cluster.new_database()), Doubler(hook=gate))
        ids = {await tasks.submit("double", "", ask(n)): n for n in range(20)}
        await gate.until(20)
        await asyncio.to_thread(cluster.stop)
        gate.open()
        for _ in range(3):
            with pytest.raises(StorageFailed, match="cannot be reached") as caught:
                await tasks.submit("double", "", ask(99))
            assert caught.value.retry_after_s > 0
        await asyncio.to_thread(cluster.start)
        check(await outcomes(tasks, ids), ids)
        again = await tasks.submit("double", "", ask(7))
        assert (await tasks.wait(again, 20)).status == "completed"
        await tasks.stop()

    with Cluster() as cluster:
        asyncio.run(main(cluster))


@pytest.mark.skipif(binaries() is None, reason=MISSING)
def test_a_server_that_is_not_there_yet_holds_up_nothing(tmp_path: Path) -> None:
    async def main(cluster: Cluster) -> None:
        url = cluster.new_database()
        await asyncio.to_thread(cluster.stop)
        tasks = tasks_of(Place(tmp_path, url), Doubler())
        await tasks.start()
        with pytest.raises(StorageFailed):
            await tasks.submit("double", "", ask(1))
        await asyncio.to_thread(cluster.start)
        assert await accepts(tasks)
        await tasks.stop()

    async def accepts(tasks: Tasks) -> bool:
        while True:
            try:
                return (await tasks.wait(await tasks.submit("double", "", ask(1)), 20)).status == "completed"
            except StorageFailed:
                continue

    with Cluster() as cluster:
        asyncio.run(main(cluster))


@pytest.mark.parametrize("url", ["mysql://user:secret@host/base", "no url: secret"])
def test_a_url_of_another_database_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadSetting, match="postgresql://") as caught:
        asyncio.run(tasks_of(Place(tmp_path, url), Doubler()).start())
    assert "secret" not in caught.value.message


def test_a_connection_that_the_server_ends_is_made_anew(postgres: Place, cluster: Cluster) -> None:
    async def main() -> None:
        tasks = tasks_of(postgres, Doubler())
        await tasks.submit("double", "", ask(1))
        ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
        name = postgres.url.partition("@/")[2].partition("?")[0]
        await asyncio.to_thread(
            subprocess.run,
            ["psql", "-h", str(cluster.folder), "-U", "pumice", "-c", ends.format(name), "postgres"],
            check=True,
            capture_output=True,
        )
        assert (await tasks.wait(await tasks.submit("double", "", ask(2)), 20)).status == "completed"
        await tasks.stop()

    asyncio.run(main())
