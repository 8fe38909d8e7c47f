"""One run from the inside: connect, warm up, measure a window, let the last requests end."""

import asyncio
import gc
import time

from pumice.client.load.cpu import CpuMeter
from pumice.client.load.job import LoadJob
from pumice.client.load.pace import Closed, Open, Pace
from pumice.client.load.pool import LoadPool
from pumice.client.load.recorder import Recorder
from pumice.client.load.result import LoadResult


async def measure(job: LoadJob) -> LoadResult:
    """Run a job in this process and loop."""
    recorder = Recorder()
    pool = LoadPool(job, recorder)
    await pool.open()
    if job.warmup_seconds:
        pool.run(_pace(job, None))
        await asyncio.sleep(job.warmup_seconds)
    gc.freeze()
    gc.disable()  # nothing made per request is a cycle, and a collection would show as latency
    window = _count_window if job.requests else _time_window
    result = await window(job, pool, recorder)
    gc.enable()
    await pool.close()
    return result


async def _time_window(job: LoadJob, pool: LoadPool, recorder: Recorder) -> LoadResult:
    if not job.warmup_seconds:
        pool.run(_pace(job, None))
    meter = _Meter(job)
    await asyncio.sleep(0)  # answers that came while /proc was read belong to the warm-up
    meter.start()
    recorder.open(meter.began)
    await asyncio.sleep(job.seconds)
    recorder.measuring = False
    meter.stop()
    pool.stop()
    await pool.finish()
    return meter.result(recorder)


async def _count_window(job: LoadJob, pool: LoadPool, recorder: Recorder) -> LoadResult:
    pool.stop()
    await pool.finish()
    meter = _Meter(job)
    meter.start()
    recorder.open(meter.began)
    pool.run(_pace(job, job.requests))
    await pool.finish()
    meter.stop()
    return meter.result(recorder)


def _pace(job: LoadJob, limit: int | None) -> Pace:
    return Open(job.rate, time.perf_counter(), limit) if job.rate else Closed(limit)


class _Meter:
    """The clocks of one window.

    Attributes:
        began: When the window opened, on the clock of `time.perf_counter`.
    """

    def __init__(self, job: LoadJob) -> None:
        self._servers = CpuMeter(job.pids) if job.pids else None
        self.began = self._own = self._seconds = 0.0
        self._server_seconds: float | None = None

    def start(self) -> None:
        """The window opens."""
        self.began, self._own = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """The window closes."""
        self._seconds, self._own = time.perf_counter() - self.began, time.process_time() - self._own
        self._server_seconds = self._servers.seconds() if self._servers else None

    def result(self, recorder: Recorder) -> LoadResult:
        """Put the figures together."""
        return LoadResult(
            requests=recorder.answers,
            failures=dict(recorder.failures),
            failure_examples=tuple(recorder.examples),
            seconds=self._seconds,
            latency=recorder.latency(),
            histogram=recorder.histogram(),
            generator_cpu_seconds=self._own,
            server_cpu_seconds=self._server_seconds,
            outcomes=tuple(recorder.outcomes),
        )
