"""The image through system shared memory: Pumice beside Triton, by HTTP, nothing but places in the messages.

The client has written its images into a region once, as a camera's process would; each request names one of them and a
place for its answer there. Both servers are up together and get load in turn, in slices: an idle one costs nothing, and
what else the machine does hits both alike.
"""

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.answers import right
from benchmarks.processes import NotReady, Running, running
from benchmarks.rounds import Plan, line, one_load
from benchmarks.samples import Results
from benchmarks.servers import SERVERS, Server
from benchmarks.workloads import IMAGE, IMAGES, WORKLOADS, Workload

KEY = "shm"
TITLE = "image of 3x224x224 FP32 and its answer in system shared memory, by HTTP; both servers up, load in turn"
SPOKEN = ("pumice", "triton")
"""Servers that read shared memory."""
CONNECTIONS = (1, 8)
SLICE, WARM = 2.0, 0.3
"""Longest slice, and the load before it, in seconds."""
ALLOWED = "PUMICE_SHARED_MEMORY=true"
"""What Pumice wants to hear first; Triton always takes it."""
FOLDER = Path("/dev/shm")
BODIES = 64
"""Requests that are sent in turn, each with a place of its own for its answer: far more than are in flight at once."""
IMAGE_BYTES, ANSWER_BYTES = 4 * int(np.prod(IMAGE)), 12
WIPED = b"\xff" * ANSWER_BYTES
"""A place without an answer: no numbers."""
NAME = "BENCH_REGION"
"""Tells the process that makes the load what the memory is called."""


@dataclass(frozen=True)
class Region:
    """Memory of a client: all images, and behind them the places for answers.

    Attributes:
        name: What both the memory and the region are called.
    """

    name: str

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return IMAGES * IMAGE_BYTES + BODIES * ANSWER_BYTES

    def bodies(self, _: Workload) -> tuple[bytes, ...]:
        """Returns the requests."""
        return tuple(self._body(number) for number in range(BODIES))

    def register(self, up: Running) -> None:
        """Lets a server's requests name it.

        Raises:
            NotReady: The server does not want it.
        """
        connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=10)
        wish = json.dumps({"key": f"/{self.name}", "offset": 0, "byte_size": self.size})
        connection.request("POST", f"/v2/systemsharedmemory/region/{self.name}/register", wish)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status != http.client.OK:
            raise NotReady(f"{up.server.name} does not take shared memory: {said!r}")

    def _body(self, number: int) -> bytes:
        x = self._place(number % IMAGES * IMAGE_BYTES, IMAGE_BYTES)
        y = self._place(_answer_at(number), ANSWER_BYTES)
        given = {"name": "x", "shape": [1, *IMAGE], "datatype": "FP32", "parameters": x}
        sent = {"inputs": [given], "outputs": [{"name": "y", "parameters": y}]}
        return json.dumps(sent, separators=(",", ":")).encode()

    def _place(self, offset: int, size: int) -> dict[str, object]:
        place = {"shared_memory_region": self.name, "shared_memory_byte_size": size}
        return place | ({"shared_memory_offset": offset} if offset else {})


@contextmanager
def region() -> Iterator[Region]:
    """Makes the memory, with the images in it; afterwards it is gone."""
    made = Region(f"pumice-bench-{os.getpid()}")
    file = FOLDER / made.name
    try:
        file.write_bytes(WORKLOADS["C"].feed()["x"].tobytes() + BODIES * WIPED)
        os.environ[NAME] = made.name
        yield made
    finally:
        file.unlink(missing_ok=True)


def check(index: int, _: bytes) -> bool:
    """Looks into the memory for the numbers of an answer, and wipes them, so that the next has to write its own."""
    with (FOLDER / os.environ[NAME]).open("r+b", buffering=0) as memory:
        numbers = np.frombuffer(os.pread(memory.fileno(), ANSWER_BYTES, _answer_at(index)), np.float32)
        os.pwrite(memory.fileno(), WIPED, _answer_at(index))
    return right(index % IMAGES, numbers.tolist())


def run_shared_memory(plan: Plan, results: Results) -> None:
    """Measures the servers of a plan that read shared memory."""
    short = replace(plan, seconds=min(plan.seconds, SLICE), warmup=min(plan.warmup, WARM))
    with ExitStack() as stack:
        memory = stack.enter_context(region())
        ups: list[Running] = []
        for name in (name for name in plan.servers if name in SPOKEN):
            try:
                ups.append(stack.enter_context(_reading(SERVERS[name], memory)))
            except NotReady as problem:
                results.problems.append(str(problem))
                print(problem, flush=True)
        for number in range(plan.rounds):
            for connections in plan.connections or CONNECTIONS:
                # each is first in every other round
                for up in ups if number % 2 == 0 else reversed(ups):
                    sample = replace(one_load(short, up, connections, number), workload=KEY)
                    results.samples.append(sample)
                    print(line(sample), flush=True)


@contextmanager
def _reading(server: Server, memory: Region) -> Iterator[Running]:
    """Runs a server that knows the region; that it answers at all is found out with images in the messages."""
    plain = server.command
    allowing = replace(server, command=lambda workload, port: ["env", ALLOWED, *plain(workload, port)])
    with running(allowing, WORKLOADS["C"]) as up:
        memory.register(up)
        asked = replace(server, bodies=memory.bodies, headers=lambda _: {"content-type": "application/json"})
        yield replace(up, server=replace(asked, check="benchmarks.shared_memory:check"))


def _answer_at(number: int) -> int:
    return IMAGES * IMAGE_BYTES + number * ANSWER_BYTES
