"""The binary tensor extension, and BYTES."""

from __future__ import annotations

import json
import struct

import numpy as np

from tests.torture.target import Json, Reply, Target, answers, refused_by_protocol, seen, strict
from tests.torture.verdicts import Failed, NotApplicable, demand, probe

EXTENSION = "binary extension"


def _needs_binary(target: Target) -> None:
    target.needs_protocol()
    if "binary_tensor_data" not in target.extensions:
        raise NotApplicable("the server does not list the extension binary_tensor_data")


def _binary(target: Target, head: Json, data: bytes, model: str = "", length: str = "") -> Reply:
    told = json.dumps(head).encode()
    lengths = f"Inference-Header-Content-Length: {length or len(told)}"
    return target.ask(target.request(told + data, lengths, "Content-Type: application/octet-stream", model=model))


def _head(size: int, **more: object) -> Json:
    tensor = {"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    return {"inputs": [tensor]} | more


def _tail(reply: Reply) -> bytes:
    demand(reply.status == 200, seen(reply))
    length = reply.headers.get("inference-header-content-length")
    demand(length is not None, "the answer has no Inference-Header-Content-Length")
    return reply.body[int(length or 0) :]


@probe("binary-both-ways", EXTENSION)
def both_ways(target: Target) -> str:
    """Binary in, binary out: the right bytes and lengths."""
    _needs_binary(target)
    row = np.array([1.5, -2, 3e20, 1e-30], np.float32)
    tail = _tail(_binary(target, _head(16, parameters={"binary_data_output": True}), row.tobytes()))
    demand(tail == (row * 2).tobytes(), f"wrong bytes: {tail!r}")
    return "right"


@probe("binary-mixed", EXTENSION)
def mixed(target: Target) -> str:
    """Binary in with JSON out, and JSON in with one output asked for as binary."""
    _needs_binary(target)
    reply = _binary(target, _head(16), np.arange(1, 5, dtype=np.float32).tobytes())
    demand(reply.status == 200 and answers(reply) == [2, 4, 6, 8], seen(reply))
    body = target.body(outputs=[{"name": "y", "parameters": {"binary_data": True}}])
    right = np.array(body["inputs"][0]["data"], np.float32) * 2
    demand(_tail(target.ask(target.request(body))) == right.tobytes(), "wrong bytes")
    return "right"


@probe("binary-wrong-lengths", EXTENSION)
def wrong_lengths(target: Target) -> str:
    """Lengths that do not fit the body, the shape or the numbers there are, are refused with the protocol's error."""
    _needs_binary(target)
    row = bytes(16)
    head = json.dumps(_head(16)).encode()
    replies = [
        _binary(target, _head(12), row[:12]),
        _binary(target, _head(20), row + bytes(4)),
        _binary(target, _head(16), row[:8]),
        _binary(target, _head(16), row + bytes(8)),
        _binary(target, _head(-16), row),
        _binary(target, _head(2**63), row),
        *(_binary(target, _head(16), row, length=told) for told in (str(len(head) + 100), "-1", "x", "9" * 30)),
    ]
    told = [refused_by_protocol(reply) for reply in replies]
    target.demand_well()
    return f"ten kinds: {', '.join(sorted(set(told)))}"


@probe("binary-nan", EXTENSION)
def nan(target: Target) -> str:
    """NaN in binary data is refused, or comes back as itself, but never as broken JSON."""
    _needs_binary(target)
    reply = _binary(target, _head(16), np.array([1, np.nan, 3, 4], np.float32).tobytes())
    if reply.status != 200:
        return refused_by_protocol(reply)
    _demand_json(reply)
    return "answered in JSON"


def _demand_json(reply: Reply) -> None:
    try:
        strict(reply.body)
    except ValueError as error:
        raise Failed(f"200 with a body that is no JSON: {error}") from error


def _text(target: Target, texts: int) -> tuple[str, list[int]]:
    model = f"{target.model}_text"
    target.needs_protocol()
    target.needs_model(model)
    rank = len(strict(target.get(f"/v2/models/{model}").body)["inputs"][0]["shape"])
    return model, [texts] + [1] * (rank - 1)


@probe("bytes-json", "OIP")
def bytes_json(target: Target) -> str:
    """BYTES as JSON text, beyond ASCII, empty and with a zero character, come back right."""
    texts = ["abc", "", "é漢😀", "a\x00b", '"\\']
    model, shape = _text(target, len(texts))
    body = {"inputs": [{"name": "text", "shape": shape, "datatype": "BYTES", "data": texts}]}
    reply = target.ask(target.request(body, model=model))
    demand(reply.status == 200, seen(reply))
    # the model works on bytes: letters beyond ASCII stay or not, as the server's strings do
    demand([text.lower() for text in answers_text(reply)] == [text.lower() for text in texts], seen(reply))
    return "right"


def answers_text(reply: Reply) -> list[str]:
    """The texts of the first output."""
    return [str(text) for text in strict(reply.body)["outputs"][0]["data"]]


def _elements(*items: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


@probe("bytes-binary", EXTENSION)
def bytes_binary(target: Target) -> str:
    """BYTES as binary, whatever the bytes are, come back right; lengths that lie are refused."""
    _needs_binary(target)
    model, shape = _text(target, 2)
    data = _elements(b"ab\xff\x00", b"")

    def send(data: bytes) -> Reply:
        tensor = {"name": "text", "shape": shape, "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
        return _binary(target, {"inputs": [tensor], "parameters": {"binary_data_output": True}}, data, model)

    demand(_tail(send(data)) == _elements(b"AB\xff\x00", b""), "wrong bytes")
    lies = (data[:-1], data + b"a", struct.pack("<I", 2**32 - 1) + b"abc" + bytes(4), _elements(b"a", b"b", b"c"))
    told = [refused_by_protocol(send(lie)) for lie in lies]
    return f"right; four lies: {', '.join(sorted(set(told)))}"
