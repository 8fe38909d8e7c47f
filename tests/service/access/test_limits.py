"""Rates hold: for one process, for several of a host, and for several gateways over a real Redis."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.domain.access import Bucket, Principal, Rate, draw
from pumice.domain.errors import RateLimited
from pumice.service.access.buckets import SharedBuckets
from pumice.service.access.limiter import Limiter
from pumice.service.access.redis import RedisBuckets
from tests.support.wire import until

RATE = Rate(10, 5)


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 10)), max_size=50),
    st.floats(0.1, 100),
    st.integers(1, 50),
)
def test_never_more_than_the_rate_and_the_burst(steps: list[tuple[float, int]], rate: float, burst: int) -> None:
    bucket: Bucket | None = None
    now, total = 1000.0, 0
    for pause, wanted in steps:
        now += pause
        bucket, given_now, wait = draw(bucket, Rate(rate, burst), wanted, now)
        total += given_now
        assert total <= burst + (now - 1000) * rate + 1e-6
        assert (wait == 0) == (given_now > 0)
        if wait:
            assert draw(bucket, Rate(rate, burst), 1, now + wait + 1e-9)[1] == 1, "when it says so, there is one"


def test_a_clock_that_began_anew_fills_the_bucket() -> None:
    assert draw(Bucket(0, 1_000_000), RATE, 5, 3.0)[1] == 5


def test_who_looked_at_the_clock_first_and_came_second_gets_no_full_bucket() -> None:
    bucket, given, _ = draw(Bucket(0, 1000.0), RATE, 5, 999.999)
    assert given == 0
    assert bucket == Bucket(0, 1000.0)


def test_a_lease_lets_no_more_through(tmp_path: Path) -> None:
    now = 50.0
    buckets = SharedBuckets(tmp_path / "limits.bin")
    limiter = Limiter(buckets)
    lease = limiter.lease_of(Principal("key:a", frozenset(), Rate(1000, 100)))
    assert lease is not None
    assert lease is limiter.lease_of(Principal("key:a", frozenset(), Rate(1000, 100)))
    assert lease.chunk > 1
    assert all(limiter.take(lease, now) for _ in range(100))
    with pytest.raises(RateLimited) as caught:
        limiter.take(lease, now)
    assert 0 < caught.value.retry_after_s <= 0.001
    assert limiter.take(lease, now + caught.value.retry_after_s)
    buckets.close()


DRAWER = """
import sys
from pathlib import Path
from pumice.domain.access import Rate
from pumice.service.access.buckets import SharedBuckets
buckets = SharedBuckets(Path(sys.argv[1]))
print(sum(buckets.draw(f"key:{n % 7}", Rate(0.001, 300), 1, 5.0)[0] for n in range(2100)))
"""


def test_processes_of_a_host_share_buckets(tmp_path: Path) -> None:
    file = tmp_path / "limits.bin"
    drawers = [
        subprocess.Popen([sys.executable, "-c", DRAWER, str(file)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    given_to_each = [int(drawer.communicate(timeout=60)[0]) for drawer in drawers]
    assert sum(given_to_each) == 7 * 300


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=20), unique=True, min_size=1, max_size=200))
def test_callers_have_buckets_of_their_own(tmp_path_factory: pytest.TempPathFactory, callers: list[str]) -> None:
    buckets = SharedBuckets(tmp_path_factory.mktemp("limits") / "limits.bin")
    assert all(buckets.draw(caller, Rate(0.001, 2), 2, 5.0) == (2, 0.0) for caller in callers)
    assert all(buckets.draw(caller, Rate(0.001, 2), 1, 5.0)[0] == 0 for caller in callers)
    buckets.close()


class Redis:
    """A real redis-server on a free port."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        words = ["redis-server", "--port", str(self.port), "--save", "", "--dir", str(self._folder)]
        self.process = subprocess.Popen([*words, "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
        until(self._answers)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed here; apt-get install redis-server")
    running = Redis(tmp_path)
    yield running
    running.stop()


def test_gateways_share_buckets_over_redis(redis: Redis, tmp_path: Path) -> None:
    principal = Principal("key:shared", frozenset(), Rate(0.01, 50))

    async def ask(limiter: Limiter) -> int:
        lease = limiter.lease_of(principal)
        assert lease is not None
        through = 0
        for _ in range(60):
            try:
                await limiter.wait(lease)
            except RateLimited:
                break
            through += 1
        return through

    async def run() -> list[int]:
        near = SharedBuckets(tmp_path / "limits.bin")
        gateways = [Limiter(near, RedisBuckets(redis.url, "local", near)) for _ in range(3)]
        # several callers of each gateway at once: those share questions
        through = await asyncio.gather(*(ask(gateway) for gateway in gateways for _ in range(4)))
        for gateway in gateways:
            await gateway.close()
        near.close()
        return through

    through = asyncio.run(run())
    # a lease of a gateway may hold what it has drawn and not used
    assert 50 - 3 * 6 <= sum(through) <= 50


@pytest.mark.parametrize(("without", "lets"), [("local", [2, 0]), ("open", [2, 2]), ("closed", [0, 0])])
def test_while_redis_is_away(redis: Redis, tmp_path: Path, without: str, lets: list[int]) -> None:
    redis.stop()

    async def run() -> list[int]:
        near = SharedBuckets(tmp_path / "limits.bin")
        buckets = RedisBuckets(redis.url, without, near)  # type: ignore[arg-type]
        given_each = [(await buckets.draw("key:a", Rate(0.01, 2), 2))[0] for _ in range(2)]
        redis.start()
        buckets._away_until = 0
        assert (await buckets.draw("key:b", Rate(0.01, 2), 2)) == (2, 0.0), "it is back"
        await buckets.close()
        near.close()
        return given_each

    assert asyncio.run(run()) == lets
