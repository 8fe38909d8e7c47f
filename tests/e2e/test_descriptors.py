"""Few files that may be open: connections are bounded by them, and a flood of callers leaves the server alive."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from pumice.app.descriptors import SPARE, fit_connections
from pumice.config import ModelSettings, Settings
from pumice.domain.errors import BadSetting
from tests.bad_input.raw import ROW, Raw, get, post
from tests.support.server import RunningServer
from tests.support.wire import infer, output, until

SOFT, HARD = 300, 500
CALLERS = 700
DOUBLE = "double=tests.support.models:Doubler"
INFER = "/v2/models/double/infer"


def within(soft: int, hard: int) -> list[str]:
    return ["sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"', "sh"]


@pytest.fixture(scope="module", params=[1, 2])
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with RunningServer(DOUBLE, "--workers", str(request.param), within=within(SOFT, HARD)) as running:
        yield running


def test_the_limit_is_raised_and_fewer_connections_are_taken(server: RunningServer) -> None:
    for pid in (server.process.pid, *server.fronts()):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (HARD, HARD)
    line = next(line for line in server.logged().splitlines() if "limit of open files" in line)
    assert '"wanted": 10000' in line
    assert f'"max_connections": {(HARD - SPARE - 8) * max(1, len(server.fronts()))}' in line


def test_more_callers_than_files(server: RunningServer) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(Raw(server.url))
        first.send(post(INFER, ROW))
        assert first.read().status == 200
        many = [stack.enter_context(Raw(server.url)) for _ in range(CALLERS)]
        outcomes = [told(raw) for raw in many]
        assert outcomes.count(200) >= (HARD - SPARE - 8) // 2
        assert set(outcomes) <= {200, 503, 0}
        assert outcomes.count(200) < CALLERS
        first.send(post(INFER, ROW))
        assert first.read().status == 200, "who was there before goes on"
    until(lambda: alive(server.url))
    assert output(infer(server.url, "double")) == [2, 4, 6, 8]
    assert "Traceback" not in server.logged()
    assert server.process.poll() is None


def told(raw: Raw) -> int:
    """What a connection is told when it asks; 0: nothing, it is closed."""
    try:
        raw.try_send(get("/v2/health/live"))
        return raw.read().status
    except (ConnectionError, OSError):
        return 0


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/health/live", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def settings(**more: int) -> Settings:
    return Settings(models=(ModelSettings(name="m", source="x:Y", replicas=2),), **more)  # type: ignore[arg-type]


def test_what_fits_stays() -> None:
    for limit in (-1, 20_000, 10_000 + SPARE + 16):
        assert fit_connections(settings(), limit).max_connections == 10_000
    assert fit_connections(settings(), 10_000 + SPARE + 15).max_connections == 9_999
    assert fit_connections(settings(workers=4), 2_500 + SPARE + 16).max_connections == 10_000
    assert fit_connections(settings(workers=4), 1_000 + SPARE + 16).max_connections == 4_000


def test_a_limit_that_holds_nobody_is_refused() -> None:
    with pytest.raises(BadSetting, match="ulimit"):
        fit_connections(settings(), SPARE + 16)
    with (
        pytest.raises(AssertionError, match="limit of open files: given 200"),
        RunningServer(DOUBLE, within=within(200, 200)),
    ):
        pass
