"""Where the bytes of a large body go: past the parser, into the memory that its tensors are views of."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np
import pytest
import uvicorn
import uvloop
from starlette.responses import PlainTextResponse
from uvicorn.server import ServerState

from pumice.domain.request import InferResult
from pumice.gateway.http.budget import Budget
from pumice.gateway.http.hot.exchange import Exchange
from pumice.gateway.http.hot.large import STEP_BYTES
from pumice.gateway.http.hot.limits import HttpLimits
from pumice.gateway.http.hot.protocol import HotProtocol, hot_protocol
from pumice.gateway.http.hot.route import HEAD_ROOM, HotRoute
from pumice.protocol.oip.json_codec import decode_infer, encode_result
from pumice.protocol.oip.types import WireRequest
from tests.bad_input.raw import Raw, post
from tests.support.images import described, image
from tests.support.loops import OnLoop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}
PATH = "/v2/models/big/infer"
BUDGET = 8 * STEP_BYTES


class Seen(OnLoop):
    """A protocol over real sockets, and what came out of it."""

    url: str

    def __init__(self) -> None:
        self.bodies: list[bytes | memoryview] = []
        self.piecemeal: list[int] = []
        self.route = HotRoute(self.take, b"/infer", HttpLimits(), Budget(BUDGET))

    def take(self, exchange: Exchange) -> None:
        self.bodies.append(exchange.body)
        exchange.respond(b"HTTP/1.1 200 OK\r\n", [], [b"%d" % len(exchange.body)])


@contextmanager
def serving(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[Seen]:
    seen = Seen()

    class Counted(hot_protocol(seen.route)):  # type: ignore[misc]
        """Counts what comes the long way, in pieces that are copied."""

        def data_received(self, data: bytes) -> None:
            seen.piecemeal.append(len(data))
            super().data_received(data)

    config = uvicorn.Config(PlainTextResponse("the long way"), log_config=None, ws="none", lifespan="off")
    state = ServerState()
    up, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        seen.loop = asyncio.get_running_loop()
        server = await seen.loop.create_server(
            lambda: cast("HotProtocol", Counted(config, state, {})), "127.0.0.1", 0, family=socket.AF_INET
        )
        seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        up.set()
        await over.wait()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    up.wait()
    try:
        yield seen
    finally:
        seen.loop.call_soon_threadsafe(over.set)
        thread.join()


@pytest.fixture(params=LOOPS)
def seen(request: pytest.FixtureRequest) -> Iterator[Seen]:
    with serving(LOOPS[request.param]) as running:
        yield running


def request_of(text: bytes, data: bytes) -> bytes:
    return post(PATH, text + data, f"Inference-Header-Content-Length: {len(text)}")


@pytest.mark.parametrize("padding", range(4))
def test_tensors_are_views_of_what_the_system_wrote(seen: Seen, padding: int) -> None:
    """Nothing but what is read with a head comes in pieces; all else is where the system put it."""
    text = described() + b" " * padding
    with Raw(seen.url) as raw:
        for seed in range(3):
            del seen.piecemeal[:]
            raw.send(request_of(text, image(seed).tobytes()))
            assert raw.read().body == b"%d" % (len(text) + 602112)
            assert sum(seen.piecemeal) <= HEAD_ROOM
            body = seen.bodies[-1]
            array = decode_infer(body, len(text)).request.inputs["image"]
            assert isinstance(body, memoryview)
            assert np.shares_memory(array, np.frombuffer(body, np.uint8))
            assert np.array_equal(array, image(seed))
            assert array.flags.aligned
            assert not array.flags.writeable
    seen.until(lambda: seen.route.budget.used == 0)


def test_without_binary_tensors_it_comes_in_pieces(seen: Seen) -> None:
    with Raw(seen.url) as raw:
        raw.send(post(PATH, b" " * 600_000))
        assert raw.read().body == b"600000"
    assert isinstance(seen.bodies[0], bytes)
    assert sum(seen.piecemeal) > 600_000


def test_the_budget_is_asked_before_anything_is_read(seen: Seen) -> None:
    """One step ahead of what came, never the whole of what was told."""
    budget = seen.route.budget
    with Raw(seen.url) as raw:
        raw.send(post(PATH, b"", "Inference-Header-Content-Length: 0", length=6 * STEP_BYTES))
        seen.until(lambda: budget.used == STEP_BYTES)
        raw.send(bytes(STEP_BYTES - 1))
        raw.send(b"x")
        seen.until(lambda: budget.used == 2 * STEP_BYTES)
        raw.send(bytes(5 * STEP_BYTES))
        assert raw.read().status == 200
    seen.until(lambda: budget.used == 0)


def test_what_has_no_room_is_refused_and_let_go(seen: Seen) -> None:
    budget = seen.route.budget
    with Raw(seen.url) as raw:
        raw.send(post(PATH, bytes(3 * STEP_BYTES), "Inference-Header-Content-Length: 0", length=5 * STEP_BYTES))
        seen.until(lambda: budget.used > 3 * STEP_BYTES)
        budget.limit = budget.used
        raw.send(bytes(STEP_BYTES))
        answer = raw.read()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        seen.until(lambda: budget.used == 0)
        raw.send(bytes(STEP_BYTES // 2))  # it is still heard, and thrown away
    assert not seen.bodies


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_caller_that_goes_away_leaves_nothing(seen: Seen, end: str) -> None:
    budget = seen.route.budget
    with Raw(seen.url) as raw:
        raw.send(post(PATH, bytes(300_000), "Inference-Header-Content-Length: 0", length=3 * STEP_BYTES))
        seen.until(lambda: budget.used > STEP_BYTES)
        if end == "reset":
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    seen.until(lambda: budget.used == 0)


def test_a_large_answer_is_a_view_of_its_output() -> None:
    whole = image(1)
    wire = WireRequest(decode_infer(described() + image(2).tobytes(), len(described())).request, binary_default=True)
    body, length = encode_result(InferResult({"same": whole}, "big", "1"), wire)
    assert length == len(body[0])
    assert np.shares_memory(np.frombuffer(body[1], np.float32), whole)
    assert bytes(body[1]) == whole.tobytes()
    batch = image(1, rows=4)
    part, _ = encode_result(InferResult({"same": batch[1:2]}, "big", "1"), wire)
    assert not np.shares_memory(np.frombuffer(part[1], np.float32), batch), "a slow caller would keep all of a batch"
    assert bytes(part[1]) == batch[1:2].tobytes()
