"""Requests of tables: what is sent, what must come back, and how much it may take of the server."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.bad_input.raw import Answered, Peak, Raw, get, post, work_of
from tests.support.server import RunningServer

INFER = "/v2/models/double/infer"
WORK_S = 3.0
"""Most time of the processor for one of them (s)."""


@dataclass(frozen=True)
class Bad:
    """A request that is refused."""

    status: int
    body: bytes
    path: str = INFER
    headers: tuple[str, ...] = ()


def refused(server: RunningServer, case: Bad, most_bytes: int) -> Answered:
    """Send it: the right status, for little work, in bounded memory, and the connection says whether it goes on."""
    begun = work_of(server.addresses.pid)
    with Raw(server.url) as raw, Peak(server.addresses.pid) as peak:
        raw.try_send(post(case.path, case.body, *case.headers))
        answer = raw.read()
        took = work_of(server.addresses.pid) - begun
        assert (answer.status, took < WORK_S) == (case.status, True), (answer, took)
        if answer.headers.get("connection") == "close":
            assert raw.closed()
        else:
            raw.send(get("/v2/health/live"))
            assert raw.read().status == 200
    assert peak.growth < most_bytes, peak.growth
    told = json.loads(answer.body)
    assert told.get("error") or (told["detail"] and told["status"] == case.status), told
    assert "Traceback" not in answer.body.decode()
    return answer


def binary(
    size: object = 16, tail: bytes = bytes(16), shape: object = (1, 4), datatype: str = "FP32", name: str = "x"
) -> tuple[bytes, tuple[str, ...]]:
    """A body of one binary tensor, and the header that goes with it."""
    said = size if isinstance(size, str) else json.dumps(size)
    tensor = {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": "SIZE"}}
    head = json.dumps({"inputs": [tensor]}).replace('"SIZE"', said).encode()
    return head + tail, (f"Inference-Header-Content-Length: {len(head)}",)
