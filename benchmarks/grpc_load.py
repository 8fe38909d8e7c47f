"""The generator of gRPC load, in a process of its own: callers in a closed loop on one channel.

`python -m benchmarks.grpc_load` reads one JSON order a line, `{"port": N, "callers": N, "seconds": S, "check": true}`,
and writes what happened as one JSON line. `check` says whether answers are held against ONNX Runtime's own.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import grpc
import numpy as np
import uvloop

from benchmarks.workloads import ROWS, WORKLOADS, expected_rows
from pumice.protocol.oip.proto.open_inference_pb2 import ModelInferRequest, ModelInferResponse

SERVICE, METHOD = "inference.GRPCInferenceService", "ModelInfer"
MODEL = WORKLOADS["A"]
CHECK_EVERY = 16
"""How often an answer's numbers are compared."""
TOLERANCE = 2e-4


@dataclass
class Window:
    """What the callers saw."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


def bodies() -> list[bytes]:
    """Returns the rows of workload A as `ModelInferRequest`s with raw contents, as Triton's client sends them."""
    (name, rows), found = next(iter(MODEL.feed().items())), []
    for row in rows:
        message = ModelInferRequest(model_name=MODEL.name, raw_input_contents=[row.tobytes()])
        message.inputs.add(name=name, datatype="FP32", shape=[1, len(row)])
        found.append(message.SerializeToString())
    return found


def right(answer: bytes, row: int) -> bool:
    """Holds an answer against ONNX Runtime's own."""
    (raw,) = ModelInferResponse.FromString(answer).raw_output_contents
    return bool(np.abs(np.frombuffer(raw, np.float32) - expected_rows(MODEL.key)[row]).max() < TOLERANCE)


async def load(port: int, callers: int, seconds: float, *, check: bool) -> Window:
    """Keeps `callers` calls open for some seconds."""
    sent, window = bodies(), Window()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/{METHOD}")
        await call(sent[0], wait_for_ready=True, timeout=10)
        until = time.perf_counter() + seconds

        async def caller(number: int) -> None:
            at = number
            while (began := time.perf_counter()) < until:
                try:
                    answer = await call(sent[at % ROWS])
                except grpc.aio.AioRpcError as error:
                    window.failures[error.code().name] += 1
                    continue
                if check and at % CHECK_EVERY == 0 and not right(answer, at % ROWS):
                    window.failures["wrong answer"] += 1
                else:
                    window.seconds.append(time.perf_counter() - began)
                at += callers + 1

        await asyncio.gather(*map(caller, range(callers)))
    return window


async def first(port: int) -> bytes:
    """Returns the answer to the first row once the server gives it; holds it against ONNX Runtime's own."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/{METHOD}")
        answer: bytes = await call(bodies()[0], wait_for_ready=True, timeout=30)
    if not right(answer, 0):
        raise ValueError(f"port {port}: a wrong answer")
    return answer


def main() -> None:
    """The command."""
    for line in sys.stdin:
        order = json.loads(line)
        own = time.process_time()
        window = uvloop.run(load(order["port"], order["callers"], order["seconds"], check=order["check"]))
        told = {"seconds": window.seconds, "failures": window.failures, "own": time.process_time() - own}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
