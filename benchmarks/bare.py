"""ONNX Runtime without a server: the most that workload B can reach on two cores.

`python -m benchmarks.bare SECONDS` prints JSON: rows a second by batch size with two callers, each with its own session
of one thread, and the latency of one `session.run` at batch 1 with one caller.
"""

import json
import sys
import threading
import time

import numpy as np

from benchmarks.workloads import ROWS, WORKLOADS, session

BATCHES = (1, 2, 4, 8, 12, 16, 24, 32)
CALLERS = 2


def rate(sessions: list, feed: dict[str, np.ndarray], batch: int, seconds: float) -> float:
    """Measures rows a second with every session called in its own thread."""
    rates = [0.0] * len(sessions)
    together = threading.Barrier(len(sessions))

    def call(number: int) -> None:
        mine, at, rows = sessions[number], 0, 0
        together.wait()
        began = time.perf_counter()
        until = began + seconds
        while time.perf_counter() < until:
            mine.run(None, {name: values[at : at + batch] for name, values in feed.items()})
            rows += batch
            at = (at + batch) % (ROWS - batch + 1)
        rates[number] = rows / (time.perf_counter() - began)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def latency(one: object, feed: dict[str, np.ndarray], seconds: float) -> float:
    """Measures the median of one `session.run` at batch 1, in milliseconds."""
    taken, until, at = [], time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        one.run(None, {name: rows[at : at + 1] for name, rows in feed.items()})
        taken.append(time.perf_counter() - began)
        at = (at + 1) % ROWS
    return 1000 * float(np.median(taken))


def main() -> None:
    """The command."""
    seconds = float(sys.argv[1])
    workload = WORKLOADS["B"]
    feed = workload.feed()
    sessions = [session(workload.model) for _ in range(CALLERS)]
    rate(sessions, feed, 8, min(1.0, seconds))  # warm
    single = latency(sessions[0], feed, seconds)
    rates = {batch: rate(sessions, feed, batch, seconds) for batch in BATCHES}
    print(json.dumps({"rows_per_second": rates, "latency_ms": single}))


if __name__ == "__main__":
    main()
