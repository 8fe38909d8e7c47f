"""A model that follows an alias of the store: a move exchanges what is served, and drops and mixes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pumice import Client, Store
from tests.engines.graphs import constant
from tests.support.server import RunningServer
from tests.support.wire import body, infer, metric, output, until

ROWS = [[1.0] * 4, [2.0] * 4]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose store has ``m`` in three versions; each answers with its number."""
    home = tmp_path / "home"
    with Store(home) as store:
        for number in (1, 2, 3):
            store.push(constant(tmp_path / str(number), number), "m")
        store.alias("m", "prod", 1)
    return home


@contextmanager
def callers(url: str, count: int = 6) -> Iterator[list[tuple[int, str, frozenset[float]]]]:
    """Ask all the time; gives status, version and the numbers of each answer."""
    enough = threading.Event()
    answers: list[tuple[int, str, frozenset[float]]] = []

    def keep_asking() -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not enough.is_set():
                answer = client.post("/v2/models/m/infer", json=body(ROWS))
                numbers = frozenset(output(answer)) if answer.status_code == 200 else frozenset()
                answers.append((answer.status_code, answer.headers.get("x-model-version", ""), numbers))

    with ThreadPoolExecutor(count) as pool:
        asking = [pool.submit(keep_asking) for _ in range(count)]
        try:
            yield answers
        finally:
            enough.set()
        for call in asking:
            call.result()


def version(url: str) -> str:
    return str(infer(url, "m", ROWS).headers["x-model-version"])


def served(url: str, wanted: int) -> Callable[[], bool]:
    return lambda: version(url) == str(wanted)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_alias_that_moves_twenty_times_under_load_drops_and_mixes_nothing(home: Path, workers: int) -> None:
    with RunningServer("m@prod", "--workers", str(workers), home=home) as server, Store(home) as store:
        with callers(server.url) as answers:
            for turn in range(20):
                wanted = 2 - turn % 2
                store.alias("m", "prod", wanted)
                # the answers of every front are of the new version from some moment on
                until(lambda: len(answers) > 50 and {seen[1] for seen in answers[-20:]} == {str(wanted)})  # noqa: B023
        assert {status for status, _, _ in answers} == {200}
        assert {(of, numbers) for _, of, numbers in answers} == {("1", frozenset({1.0})), ("2", frozenset({2.0}))}
        # the version that comes back is warm: each was loaded once
        assert metric(server.url, "pumice_model_loads_total", model="m") <= 1
        assert len(server.replicas()) == 2


def test_the_way_back_is_at_once_and_the_third_version_takes_the_place_of_the_first(home: Path) -> None:
    with RunningServer("m@prod", home=home) as server, Client(server.url) as client:
        client.store.alias("m", "prod", 2)
        until(served(server.url, 2))
        begun = time.monotonic()
        client.store.rollback("m")
        until(served(server.url, 1))
        assert time.monotonic() - begun < 2  # 20 ms alone on a machine; others may be busy on this one
        index = client.models()
        assert [(state.name, state.version) for state in index] == [("m", "1")]
        client.store.alias("m", "prod", 3)
        until(served(server.url, 3))
        until(lambda: len(server.replicas()) == 2)


def test_a_version_that_cannot_be_served_changes_nothing_and_is_told(home: Path) -> None:
    with RunningServer("m@prod", home=home) as server, Store(home) as store:
        store.alias("m", "prod", 2)
        until(served(server.url, 2))
        damage(home)
        store.alias("m", "prod", 3)
        until(lambda: metric(server.url, "pumice_swaps_total", result="failed") == 1)
        assert version(server.url) == "2"
        with Client(server.url) as client:
            (told,) = [state for state in client.models() if state.state == "UNAVAILABLE"]
            assert (told.version, "other bytes than were stored" in told.reason) == ("3", True)
            store.rollback("m")
            until(lambda: len(client.models()) == 1)
        assert "cannot be served" in server.logged()
        assert version(server.url) == "2"


def test_nothing_is_kept_where_there_is_no_room_or_no_wish(home: Path) -> None:
    for number, option in enumerate(("keep_warm: 0", "max_loaded: 1")):
        wanted = 2 + number % 2
        file = home.parent / f"{number}.yaml"
        file.write_text(f"{option}\nmodels: [{{name: m, source: m@prod}}]\n")
        with RunningServer("-f", str(file), home=home) as server, Store(home) as store:
            assert infer(server.url, "m", ROWS).status_code == 200
            store.alias("m", "prod", wanted)
            until(served(server.url, wanted))
            until(lambda: len(server.replicas()) == 1)


def damage(home: Path) -> None:
    """Flip a bit of the pack that was made last."""
    pack = max((home / "store" / "packs").rglob("*.pack"), key=lambda path: path.stat().st_mtime_ns)
    data = bytearray(pack.read_bytes())
    data[20] ^= 1
    pack.write_bytes(data)
