"""The kinds of calls, each with the errors that are right for it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

import numpy as np

from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.soak.caller import Caller, judged, same
from tests.soak.ledger import RIGHT, Kind
from tests.support.wire import body

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
SMALL_TIME_MS = 100


def rest(caller: Caller, model: str) -> str:
    x = caller.row()
    return judged(caller.http.post(f"/v2/models/{model}/infer", json=body(x)), x * 2)


def kserve(caller: Caller) -> str:
    x = caller.row()
    answer = caller.http.post("/v1/models/double:predict", json={"instances": x.tolist()})
    return same(answer.json()["predictions"], x * 2) if answer.status_code == 200 else str(answer.status_code)


def versions(caller: Caller) -> str:
    x, version = caller.row(), caller.dice.choice((1, 2))
    answer = caller.http.post(f"/v2/models/pair/versions/{version}/infer", json=body(x))
    if answer.headers.get("x-model-version") != str(version):
        return f"version {answer.headers.get('x-model-version')}, not {version}"
    return judged(answer, np.full_like(x, version))


def swapped(caller: Caller) -> str:
    x = caller.row()
    answer = caller.http.post("/v2/models/swap/infer", json=body(x))
    first = answer.json()["outputs"][0]["data"][0] if answer.status_code == 200 else 0
    return judged(answer, np.full_like(x, first)) if first in {0, 1, 2} else f"wrong: {first}"


def binary(caller: Caller) -> str:
    x = caller.row()
    return same(caller.client.infer("double", {"x": x})["y"], x * 2)


def big(caller: Caller) -> str:
    image = np.full((caller.dice.randint(1, 3), 3, 224, 224), caller.dice.random(), np.float32)
    image[:, 0, 0, :5] = caller.dice.random()
    answer = caller.client.infer("big", {"image": image})["same"]
    return RIGHT if np.array_equal(answer, image) else "wrong: another image"


def cached(caller: Caller) -> str:
    x = np.full((1, 4), caller.dice.randint(200, 260), np.float32)
    return judged(caller.http.post("/v2/models/cached/infer", json=body(x)), x * 2)


def grpc_infer(caller: Caller) -> str:
    x = caller.row()
    call = caller.channel.unary_unary(INFER, pb.ModelInferRequest.SerializeToString, pb.ModelInferResponse.FromString)
    answer = call(_request("double", "x", "FP32", x), timeout=caller.limit_s, metadata=caller.metadata)
    return same(np.frombuffer(answer.raw_output_contents[0], np.float32), x * 2)


def grpc_stream(caller: Caller) -> str:
    count, leaves = caller.dice.randint(1, 30), caller.dice.random() < 0.3
    call = caller.channel.stream_stream(
        STREAM, pb.ModelInferRequest.SerializeToString, pb.ModelStreamInferResponse.FromString
    )
    request = _request("counter", "n", "INT64", np.array([10**7 if leaves else count]))
    answers = call(iter([request]), timeout=caller.limit_s, metadata=caller.metadata)
    got = []
    for answer in answers:
        if answer.error_message:
            return str(answer.error_message)
        got.append(int(np.frombuffer(answer.infer_response.raw_output_contents[0], np.int64)[0]))
        if leaves and len(got) == 3:
            answers.cancel()  # type: ignore[no-untyped-call]
            break
    return same(got, range(3 if leaves else count))


def stream(caller: Caller) -> str:
    count = caller.dice.randint(0, 60)
    parts = caller.client.stream("counter", {"n": np.array([count])})
    return same([int(part["i"][0]) for part in parts], range(count))


def leave_stream(caller: Caller) -> str:
    url = "/v2/models/counter/generate_stream"
    read = caller.dice.randint(1, 20)
    with caller.http.stream("POST", url, json={"n": 10**9}) as answer:
        if answer.status_code != 200:
            return str(answer.status_code)
        lines = (line for line in answer.iter_lines() if line)
        got = [json.loads(next(lines).removeprefix("data: "))["i"] for _ in range(read)]
    return same(got, range(read))


def task(caller: Caller) -> str:
    x = caller.row()
    task_id = caller.client.submit("double", {"x": x})
    if caller.dice.random() < 0.3:
        caller.client.cancel(task_id)
        return RIGHT
    return same(caller.client.wait(task_id)["y"], x * 2)


BAD: tuple[tuple[int, str, bytes], ...] = (
    (400, "double", b'{"inputs": ['),
    (400, "double", b"\xff\xfe"),
    (400, "double", b'{"inputs": [], "inputs": []}'),
    (400, "double", b"[" * 5000),
    (404, "nobody", json.dumps(body()).encode()),
    (422, "double", json.dumps(body([1.0] * 8) | {"outputs": [{"name": "z"}]}).encode()),
    (422, "double", b'{"inputs": [{"name": "x", "shape": [1, 5], "datatype": "FP32", "data": [1, 2, 3, 4, 5]}]}'),
    (400, "double", b'{"inputs": [{"name": "x", "shape": [9, 4], "datatype": "FP32", "data": [1]}]}'),
)


def bad_input(caller: Caller) -> str:
    status, model, content = caller.dice.choice(BAD)
    answer = caller.http.post(f"/v2/models/{model}/infer", content=content)
    if answer.status_code == status and answer.json()["error"]:
        return RIGHT
    return f"{answer.status_code}, not {status}, for {content[:40]!r}: {answer.text[:200]}"


def gone(caller: Caller) -> str:
    """Leave with the request under way, or with half of it said."""
    content = json.dumps(body([997.0] * 4)).encode()
    address = urlsplit(caller.served.server.url)
    head = (
        f"POST /v2/models/picky/infer HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {caller.served.key}\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    said = head.encode() + content
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=caller.limit_s) as sock:
        sock.sendall(said[: caller.dice.choice((10, len(head), len(said) - 5, len(said)))])
    return RIGHT


def in_time(caller: Caller) -> str:
    """Ask what takes longer than there is time."""
    answer = caller.http.post(
        "/v2/models/picky/infer", json=body([997.0] * 4), headers={"x-timeout-ms": str(SMALL_TIME_MS)}
    )
    return RIGHT if answer.status_code == 504 else judged(answer, "no answer")


def told(caller: Caller, number: float, status: int, word: str) -> str:
    answer = caller.http.post("/v2/models/picky/infer", json=body([number] * 4))
    right = answer.status_code == status and word in answer.json()["error"]
    return RIGHT if right else judged(answer, f"{status} that says '{word}'")


def come_and_go(caller: Caller) -> str:
    return rest(caller, "come")


def no_key(caller: Caller) -> str:
    answer = caller.admin("POST", "/v2/models/double/infer", body(), key="nonsense")
    return RIGHT if answer.status_code == 401 else f"{answer.status_code}, not 401"


def _request(model: str, name: str, datatype: str, array: np.ndarray) -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=list(array.shape))
    return pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[array.tobytes()])


TROUBLED = {
    "503": "its replicas are being killed; it says when to come back",
    "504": "its batch hung or its replica was stopped, twice in a row",
}


def kinds() -> Iterator[Kind]:
    """All of them."""
    yield Kind("REST, JSON", partial(rest, model="double"), callers=2)
    yield Kind("REST, binary", binary)
    yield Kind("REST, large tensors", big, pause_s=0.2)
    yield Kind("KServe v1", kserve, pause_s=0.1)
    yield Kind("two versions", versions)
    yield Kind("a model that is swapped", swapped)
    yield Kind("a cached model", cached)
    yield Kind("gRPC", grpc_infer)
    yield Kind("gRPC stream", grpc_stream, pause_s=0.2)
    yield Kind("stream", stream, pause_s=0.2)
    yield Kind("stream left in the middle", leave_stream, pause_s=0.2)
    yield Kind("task", task, pause_s=0.2)
    yield Kind("bad input", bad_input, pause_s=0.1)
    yield Kind("no key", no_key, pause_s=0.3)
    yield Kind("caller gone", gone, pause_s=0.3)
    late = {"503": "its wait was predicted to be too long, or its replicas are being killed"}
    yield Kind("deadline", in_time, late, pause_s=0.5, bound_s=5)
    yield Kind("beside faults", partial(rest, model="picky"), TROUBLED, pause_s=0.1)
    yield Kind("raises", partial(told, number=13, status=500, word="thirteen"), TROUBLED, pause_s=0.5)
    gone_now = {"404": "it is unloaded", "503": "it is being loaded"}
    yield Kind("a model that comes and goes", come_and_go, gone_now)
