"""The demo's second half: real requests by every protocol, and a replica that is killed meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import numpy as np

from pumice.cli.own_server import OwnServer
from pumice.client import AsyncClient
from pumice.client.load import LoadJob, run_load
from pumice.client.load.cpu import CpuMeter
from pumice.domain.errors import PumiceError

MODEL = "sentiment"
Texts = list[tuple[str, str]]

_HTTP_SECONDS = 5.0
_KILL_AFTER = 2.0
_CONNECTIONS = 32
_GRPC_CALLS = 1000
_TASKS = 300


@dataclass(frozen=True)
class Phase:
    """What one protocol did.

    Attributes:
        name: The protocol.
        requests: Right answers.
        failed: Everything else.
        seconds: How long it took (s).
        p50_ms: Median latency (ms).
        p99_ms: 99th percentile of the latency (ms).
        cpu_ms: CPU of the server, all processes, a request (ms).
        batch: Mean rows of a batch.
        killed: Process id of the replica that was killed meanwhile, or 0.
    """

    name: str
    requests: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    batch: float
    killed: int = 0

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0


def rest_json(server: OwnServer, texts: Texts) -> Phase:
    """JSON over HTTP; one replica is killed in the middle."""
    bodies = tuple(
        json.dumps(_request(text, label) | {"outputs": [{"name": "label"}]}).encode() for text, label in texts
    )
    killed: list[int] = []

    def kill() -> None:
        killed.append(server.replicas()[0])
        os.kill(killed[0], signal.SIGKILL)

    timer = threading.Timer(_KILL_AFTER, kill)
    timer.start()
    phase = _rest(server, "REST JSON", bodies, {"content-type": "application/json"}, "json_label")
    timer.join()
    return Phase(**{**vars(phase), "killed": killed[0] if killed else 0})


def rest_binary(server: OwnServer, texts: Texts) -> Phase:
    """Binary tensors over HTTP."""
    bodies, length = _binary_bodies(texts)
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(length)}
    return _rest(server, "REST binary", bodies, headers, "binary_label")


def grpc(server: OwnServer, texts: Texts) -> Phase:
    """The Open Inference Protocol over gRPC."""
    return asyncio.run(_grpc(server, texts))


def tasks(server: OwnServer, texts: Texts) -> Phase:
    """Asynchronous tasks: submitted by ``POST /predict``, fetched from ``GET /result/{task_id}``."""
    return asyncio.run(_tasks(server, texts))


def _rest(server: OwnServer, name: str, bodies: tuple[bytes, ...], headers: dict[str, str], check: str) -> Phase:
    job = LoadJob(
        url=f"{server.at.url}/v2/models/{MODEL}/infer",
        headers=headers,
        bodies=bodies,
        connections=_CONNECTIONS,
        seconds=_HTTP_SECONDS,
        check=f"pumice.cli.demo.checks:{check}",
        pids=(server.at.pid,),
    )
    batches = _Batches(server)
    result = run_load(job)
    return Phase(
        name=name,
        requests=result.requests,
        failed=result.failed,
        seconds=result.seconds,
        p50_ms=result.latency.p50_ms,
        p99_ms=result.latency.p99_ms,
        cpu_ms=result.server_cpu_ms_per_request or 0.0,
        batch=batches.mean(),
    )


async def _grpc(server: OwnServer, texts: Texts) -> Phase:
    from grpc import aio

    from pumice.protocol.oip.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse

    requests = [
        ModelInferRequest(
            model_name=MODEL,
            inputs=[ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=[1])],
            raw_input_contents=[_length_prefixed(text)],
        )
        for text, _ in texts
    ]
    async with aio.insecure_channel(server.at.grpc or "") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )

        async def one(index: int) -> bool:
            answer = await call(requests[index % len(texts)])
            names = [output.name for output in answer.outputs]
            return bool(answer.raw_output_contents[names.index("label")][4:].decode() == texts[index % len(texts)][1])

        return await _measured(server, "gRPC", _GRPC_CALLS, one, (aio.AioRpcError,))


async def _tasks(server: OwnServer, texts: Texts) -> Phase:
    async with AsyncClient(server.at.url) as client:

        async def one(index: int) -> bool:
            text, label = texts[index % len(texts)]
            task = await client.submit(MODEL, text)
            answer = await client.wait(task, timeout=30)
            return bool(answer["label"] == label)

        return await _measured(server, "async tasks", _TASKS, one, (PumiceError,))


async def _measured(
    server: OwnServer,
    name: str,
    count: int,
    one: Callable[[int], Awaitable[bool]],
    failures: tuple[type[Exception], ...],
) -> Phase:
    """Run ``one(0..count-1)`` with a fixed number of callers at once."""
    latencies: list[float] = []
    numbers = iter(range(count))
    failed = 0

    async def caller() -> None:
        nonlocal failed
        for index in numbers:
            started = time.perf_counter()
            try:
                right = await one(index)
            except failures:
                right = False
            latencies.append(time.perf_counter() - started)
            failed += not right

    batches, meter, started = _Batches(server), CpuMeter((server.at.pid,)), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(_CONNECTIONS)))
    seconds = time.perf_counter() - started
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return Phase(
        name=name,
        requests=count - failed,
        failed=failed,
        seconds=seconds,
        p50_ms=float(p50),
        p99_ms=float(p99),
        cpu_ms=meter.seconds() / count * 1000,
        batch=batches.mean(),
    )


class _Batches:
    """The mean batch size from now on, read from ``/metrics``."""

    def __init__(self, server: OwnServer) -> None:
        self._url = f"{server.at.url}/metrics"
        self._before = self._read()

    def mean(self) -> float:
        rows, batches = (now - before for now, before in zip(self._read(), self._before, strict=True))
        return rows / batches if batches else 0.0

    def _read(self) -> tuple[float, float]:
        lines = httpx.get(self._url, timeout=10).text.splitlines()
        values = {
            line.partition("{")[0]: float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith("pumice_batch_size_")
        }
        return values["pumice_batch_size_sum"], values["pumice_batch_size_count"]


def _request(text: str, label: str) -> dict[str, object]:
    return {"id": label, "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]}


def _binary_bodies(texts: Texts) -> tuple[tuple[bytes, ...], int]:
    """Bodies whose JSON is padded to one length, since all requests of a load run have the same headers."""
    pairs: list[tuple[bytes, bytes]] = []
    for text, label in texts:
        tail = _length_prefixed(text)
        size = {"binary_data_size": len(tail)}
        head = {
            "id": label,
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "parameters": size}],
            "outputs": [{"name": "label", "parameters": {"binary_data": True}}],
        }
        pairs.append((json.dumps(head).encode(), tail))
    length = max(len(head) for head, _ in pairs)
    return tuple(head.ljust(length) + tail for head, tail in pairs), length


def _length_prefixed(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "little") + data
