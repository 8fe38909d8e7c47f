"""What a connection does over time and under load: streams that wait, a stop, silence, doors that take a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest

from pumice.domain.access import ANYBODY, Principal
from pumice.domain.errors import Overloaded, Unauthenticated
from pumice.domain.request import InferRequest, InferResult
from pumice.gateway.grpc import GrpcContext, GrpcOptions, start_grpc, watch
from pumice.gateway.grpc.share import Share
from pumice.gateway.http.budget import FREE_BYTES, Budget
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from pumice.service.access.access import Access
from pumice.service.access.audit import Audit
from pumice.service.access.doors import Doors
from pumice.service.access.limiter import Lease, Limiter
from pumice.service.catalog import Catalog
from pumice.service.inference import Inference
from tests.gateway.grpc.local import LocalVersion, serving
from tests.support.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, INFER, PING, RST_STREAM, SETTINGS, Peer, frame
from tests.support.http2 import head as head_of
from tests.support.http2 import message as framed
from tests.support.known import models_of
from tests.support.models import Doubler

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
UNLOAD = "/inference.GRPCInferenceService/RepositoryModelUnload"


def message(rows: int = 1, model: str = "doubler") -> bytes:
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name="x", datatype="FP32", shape=[rows, 4])
    request.raw_input_contents.append(np.ones((rows, 4), np.float32).tobytes())
    return request.SerializeToString()


def rows_of(part: bytes) -> int:
    answer = pb.ModelStreamInferResponse.FromString(part)
    assert not answer.error_message
    return len(answer.infer_response.raw_output_contents[0]) // 16


def test_a_stream_of_many_large_messages_goes_both_ways() -> None:
    """Far more than all windows together, in both directions at once."""
    sizes = [1 + index * 997 % 40_000 for index in range(150)]

    async def asked() -> AsyncIterator[bytes]:
        for size in sizes:
            yield message(size)

    async def run() -> None:
        async with (
            serving(LocalVersion("doubler", Doubler())) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            call = channel.stream_stream(STREAM, None, None)(asked())
            assert sorted([rows_of(part) async for part in call]) == sorted(sizes)

    asyncio.run(run())


def test_a_caller_who_takes_no_answers_holds_its_own_requests_back() -> None:
    version = LocalVersion("doubler", Doubler())

    async def run() -> None:
        async with (
            serving(version) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            call = channel.stream_stream(STREAM, None, None)(None)
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(3000):
                    await call.write(message(20_000))
                    sent += 1
                await call.done_writing()

            sending = asyncio.create_task(send())
            before = -1
            while sent != before:  # until it stands still
                before = sent
                await asyncio.wait({sending}, timeout=0.5)
            assert sent < 500
            assert len(version.seen) < 500
            call.cancel()
            await asyncio.wait({sending})

    asyncio.run(run())


@pytest.mark.parametrize("coding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_who_sends_compressed_messages_gets_such(coding: grpc.Compression) -> None:
    async def run() -> None:
        async with (
            serving(LocalVersion("doubler", Doubler())) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            infer = channel.unary_unary(INFER, None, None)
            for rows in (1, 10_000):
                answer = pb.ModelInferResponse.FromString(await infer(message(rows), compression=coding))
                assert answer.raw_output_contents[0] == np.full(4 * rows, 2, np.float32).tobytes()

    asyncio.run(run())


def test_calls_in_one_read_are_submitted_before_any_is_answered() -> None:
    class Counting(LocalVersion):
        """Notes how many were submitted when the first is run."""

        together = 0

        async def infer(self, request: InferRequest) -> InferResult:
            self.together = self.together or self.submitted
            return await super().infer(request)

        submitted = 0

        def prepare(self) -> None:
            self.submitted += 1

        def check(self, request: InferRequest) -> object:  # type: ignore[override]
            self.prepare()
            return super().check(request)

    version = Counting("doubler", Doubler())

    def ask(address: str) -> None:
        with Peer(address) as peer:
            peer.settings()
            sent = b""
            for stream in range(1, 41, 2):
                sent += frame(HEADERS, END_HEADERS, stream, peer.encoder.encode(head_of()))
                sent += frame(DATA, END_STREAM, stream, framed(message()))
            peer.send(sent)
            assert peer.statuses(20) == ["0"] * 20

    against(version, ask)
    assert version.together == 20


def against(version: LocalVersion, ask: Callable[[str], None], options: GrpcOptions | None = None) -> None:
    """Have a raw peer ask a server of a version."""

    async def run() -> None:
        async with serving(version, options=options) as server:
            await asyncio.to_thread(ask, f"127.0.0.1:{server.port}")

    asyncio.run(run())


class Held(LocalVersion):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__("doubler", Doubler())
        self.began = asyncio.Event()
        self.let = asyncio.Event()

    async def infer(self, request: InferRequest) -> InferResult:
        self.began.set()
        await self.let.wait()
        return await super().infer(request)


def test_a_stop_says_farewell_takes_what_is_on_its_way_and_answers_it() -> None:
    async def run() -> None:
        held = Held()
        async with serving(held) as server:
            peer = await asyncio.to_thread(Peer, f"127.0.0.1:{server.port}")
            with peer:
                await asyncio.to_thread(peer.call, 1, INFER, message())
                await held.began.wait()
                stopping = asyncio.create_task(server.stop(30))
                first = await asyncio.to_thread(peer.until, lambda got: got.type == 7)
                assert first.last_stream_id == 2**31 - 1  # type: ignore[attr-defined]
                await asyncio.to_thread(peer.call, 3, INFER, message())  # it has not heard of it yet
                await asyncio.to_thread(peer.send, frame(PING, 1, 0, b"pumice.."))
                last = await asyncio.to_thread(peer.until, lambda got: got.type == 7)
                assert last.last_stream_id == 3  # type: ignore[attr-defined]
                assert not stopping.done()
                held.let.set()
                assert await asyncio.to_thread(peer.statuses, 2) == ["0", "0"]
                assert await asyncio.to_thread(lambda: list(peer.frames())) == []
                await stopping

    asyncio.run(run())


def test_what_still_runs_at_the_end_of_the_grace_is_told() -> None:
    async def run() -> None:
        held = Held()
        async with serving(held) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = channel.unary_unary(INFER, None, None)(message())
            await held.began.wait()
            await server.stop(0.1)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "stopping" in str(caught.value.details())

    asyncio.run(run())


def test_a_silent_peer_is_asked_and_one_that_does_not_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "KEEPALIVE_S", 0.5)
    monkeypatch.setattr(watch, "KEEPALIVE_ANSWER_S", 0.5)

    def ask(address: str) -> None:
        with Peer(address) as peer:
            assert peer.until(lambda got: got.type == PING).type == PING
            peer.send(frame(PING, 1, 0, b"pumice.."))
            assert peer.until(lambda got: got.type == PING).type == PING
            assert list(peer.frames()) == []

    against(LocalVersion("doubler", Doubler()), ask)


class Slow:
    """Knows its callers only after a while; an epoch that never changes."""

    epoch = 1

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    def recognise(self, token: str) -> Principal | None:
        return None

    async def identify(self, token: str) -> Principal:
        self.asked.set()
        await self.answer.wait()
        if token != "good":
            raise Unauthenticated("not known", shown=True)
        return replace(ANYBODY, caller="key:slow")

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


class Free(Limiter):
    """Limits nobody."""

    def __init__(self) -> None:
        pass

    def lease_of(self, principal: Principal) -> Lease | None:
        return None


def behind(slow: Slow, folder: Path, step: Callable[[grpc.aio.Channel, LocalVersion], object]) -> Audit:
    """Run a step with a channel to a server whose door takes a while."""
    audit = Audit(folder)

    async def run() -> None:
        version = LocalVersion("doubler", Doubler())
        catalog = Catalog([version])
        access = Access(doors=Doors(slow, Free()), audit=audit)
        server = await start_grpc(
            GrpcContext(Inference(catalog), models_of(catalog, [version]), access), GrpcOptions(port=0)
        )
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            await step(channel, version)  # type: ignore[misc]
        await server.stop(5)

    asyncio.run(run())
    return audit


@pytest.mark.parametrize("token", ["good", "bad"])
def test_nothing_runs_before_a_slow_door_is_open(token: str, tmp_path: Path) -> None:
    async def step(channel: grpc.aio.Channel, version: LocalVersion) -> None:
        slow.asked, slow.answer = asyncio.Event(), asyncio.Event()
        call = channel.unary_unary(INFER, None, None)(message(), metadata=(("authorization", f"Bearer {token}"),))
        await slow.asked.wait()
        await asyncio.wait({asyncio.create_task(call.wait_for_connection())}, timeout=0.3)
        assert version.seen == []
        slow.answer.set()
        if token == "good":
            await call
            assert version.seen[0].caller == "key:slow"
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert version.seen == []

    slow = Slow.__new__(Slow)
    behind(slow, tmp_path, step)


def test_who_is_turned_away_is_on_record_though_it_goes_at_once(tmp_path: Path) -> None:
    class Strict(Slow):
        """Knows nobody, at once."""

        def recognise(self, token: str) -> Principal | None:
            raise Unauthenticated("not known", shown=True)

    def ask(port: int) -> None:
        with Peer(f"127.0.0.1:{port}") as peer:
            sent = frame(HEADERS, END_HEADERS, 1, peer.encoder.encode(head_of(UNLOAD)))
            sent += frame(DATA, 0, 1, framed(b"\x12\x07doubler") * 2) + frame(RST_STREAM, 0, 1, bytes((0, 0, 0, 8)))
            peer.send(sent + frame(SETTINGS, 0, 0))
            peer.until(lambda got: got.type == SETTINGS and "ACK" in got.flags)

    audit = Audit(tmp_path)

    async def run() -> None:
        version = LocalVersion("doubler", Doubler())
        catalog = Catalog([version])
        access = Access(doors=Doors(Strict.__new__(Strict), Free()), audit=audit)
        context = GrpcContext(Inference(catalog), models_of(catalog, [version]), access)
        server = await start_grpc(context, GrpcOptions(port=0))
        await asyncio.to_thread(ask, server.port)
        await server.stop(5)
        assert catalog.names() == ["doubler"]

    asyncio.run(run())
    [act] = audit.file.read_text(encoding="utf-8").splitlines()
    assert '"result":"denied: ' in act
    assert UNLOAD in act


def test_a_share_counts_what_is_beyond_the_free_part_and_gives_it_back() -> None:
    budget = Budget(1000)
    one, other = Share(budget), Share(budget)
    one.change(FREE_BYTES)
    assert budget.used == 0
    one.change(600)
    other.change(FREE_BYTES + 400)
    assert budget.used == 1000
    with pytest.raises(Overloaded):
        one.change(1)
    one.change(-600)
    one.change(-FREE_BYTES)
    assert budget.used == 400
    other.change(-FREE_BYTES - 400)
    assert budget.used == 0
