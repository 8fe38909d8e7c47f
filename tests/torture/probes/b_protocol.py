"""The Open Inference Protocol over JSON: what it says, and what it must refuse."""

from __future__ import annotations

import json

from tests.torture.target import Json, Target, answers, refused, refused_by_protocol, seen, strict
from tests.torture.verdicts import demand, probe

OIP = "OIP"


@probe("oip-server-metadata", OIP)
def server_metadata(target: Target) -> str:
    """`GET /v2` tells name, version and extensions."""
    target.needs_protocol()
    reply = target.get("/v2")
    demand(reply.status == 200, seen(reply))
    told = strict(reply.body)
    missing = {"name", "version", "extensions"} - set(told)
    demand(not missing, f"without {sorted(missing)}")
    return f"{told['name']} {told['version']}, extensions {', '.join(told['extensions'] or []) or 'none'}"


@probe("oip-model-metadata", OIP)
def model_metadata(target: Target) -> str:
    """A model's metadata tells its tensors with name, datatype and shape."""
    target.needs_protocol()
    told = strict(target.get(f"/v2/models/{target.model}").body)
    for kind, name in (("inputs", "x"), ("outputs", "y")):
        tensors = told.get(kind) or []
        right = {"name": name, "datatype": "FP32", "shape": [-1, 4]}
        demand([{key: tensor.get(key) for key in right} for tensor in tensors] == [right], f"{kind}: {tensors}")
    return "as served"


@probe("oip-health", OIP)
def health(target: Target) -> str:
    """Live, ready and the model ready say 200; a model that there is not, does not."""
    target.needs_protocol()
    good = ["/v2/health/live", "/v2/health/ready", f"/v2/models/{target.model}/ready"]
    statuses = [target.get(path).status for path in good]
    unknown = target.get("/v2/models/no_such_model/ready").status
    demand(statuses == [200] * 3 and 400 <= unknown < 600, f"{statuses}, the unknown model {unknown}")
    return f"200 each, the unknown model {unknown}"


@probe("oip-infer", OIP)
def infer(target: Target) -> str:
    """Flat and nested data give the right numbers with shape and datatype; the id comes back."""
    target.needs_protocol()
    for nested in (False, True):
        body = target.body(id="mine-1")
        tensor = body["inputs"][0]
        row = tensor["data"]
        tensor["data"] = [row] if nested else row
        reply = target.ask(target.request(body))
        demand(reply.status == 200, seen(reply))
        told = strict(reply.body)
        output = told["outputs"][0]
        demand(answers(reply) == [2 * value for value in row], f"wrong numbers: {seen(reply)}")
        demand((output["name"], output["datatype"], output["shape"]) == ("y", "FP32", [1, 4]), f"{output}")
        demand(told.get("id") == "mine-1", f"id {told.get('id')!r}")
        demand(told.get("model_name") == target.model, f"model_name {told.get('model_name')!r}")
    return "right both ways"


@probe("oip-unknown-model", OIP)
def unknown_model(target: Target) -> str:
    """A model that there is not is refused, with the protocol's error."""
    target.needs_protocol()
    return refused_by_protocol(target.ask(target.request(target.body(), model="no_such_model")))


@probe("oip-broken-json", OIP)
def broken_json(target: Target) -> str:
    """A body that is no JSON object, or not the protocol's, is refused with the protocol's error."""
    target.needs_protocol()
    told = [
        refused_by_protocol(target.ask(target.request(body)))
        for body in (b"{", b"", b"[]", b"null", b'{"inputs":7}', b'{"inputs":[{}]}')
    ]
    return f"six kinds: {', '.join(sorted(set(told)))}"


def _wrong(target: Target, **change: object) -> Json:
    body = target.body()
    body["inputs"][0] |= change
    return body


@probe("oip-wrong-size", OIP)
def wrong_size(target: Target) -> str:
    """Less or more data than the shape says is refused."""
    target.needs_protocol()
    few, many = (target.ask(target.request(_wrong(target, data=data))) for data in ([1.0] * 3, [1.0] * 5))
    return f"{refused_by_protocol(few)}, {refused_by_protocol(many)}"


@probe("oip-wild-shape", OIP)
def wild_shape(target: Target) -> str:
    """Shapes that are negative, overflow, or are not the model's are refused."""
    target.needs_protocol()
    shapes = ([-1, 4], [2**62, 4], [2**32, 2**32], [2**70, 4], [4], [1, 2, 2])
    told = [refused_by_protocol(target.ask(target.request(_wrong(target, shape=shape)))) for shape in shapes]
    target.demand_well()
    return f"six kinds: {', '.join(sorted(set(told)))}"


@probe("oip-wrong-datatype", OIP)
def wrong_datatype(target: Target) -> str:
    """A datatype that is not the model's, or none at all, is refused."""
    target.needs_protocol()
    told = [
        refused_by_protocol(target.ask(target.request(_wrong(target, datatype=kind)))) for kind in ("INT64", "FP99", "")
    ]
    return f"three kinds: {', '.join(sorted(set(told)))}"


@probe("oip-wrong-names", OIP)
def wrong_names(target: Target) -> str:
    """An input that is missing, unknown or given twice is refused, and so is an unknown output."""
    target.needs_protocol()
    twice = target.body()
    twice["inputs"] *= 2
    bodies: tuple[Json, ...] = (
        {"inputs": []},
        _wrong(target, name="z"),
        twice,
        target.body(outputs=[{"name": "no_such_output"}]),
    )
    told = [refused_by_protocol(target.ask(target.request(body))) for body in bodies]
    return f"four kinds: {', '.join(sorted(set(told)))}"


@probe("oip-duplicate-keys", "RFC 8259 4 (should)")
def duplicate_keys(target: Target) -> str:
    """A JSON key given twice, which two readers would read differently, is refused."""
    target.needs_protocol()
    body = json.dumps(target.body()).encode()
    return refused(target.ask(target.request(body[:-1] + b"," + body[1:])))


@probe("oip-nan-in", "RFC 8259 6")
def nan_in(target: Target) -> str:
    """`NaN` and `Infinity`, which are no JSON, are refused."""
    target.needs_protocol()
    body = json.dumps(target.body()).encode()
    told = [refused(target.ask(target.request(body.replace(b"3.0", word)))) for word in (b"NaN", b"-Infinity")]
    return ", ".join(sorted(set(told)))


@probe("oip-large-number", "practice")
def large_number(target: Target) -> str:
    """A number that FP32 cannot hold is refused, or at least answered in JSON."""
    target.needs_protocol()
    for number in (b"1e39", b"1e400"):
        reply = target.ask(target.request(json.dumps(target.body()).encode().replace(b"3.0", number)))
        if reply.status == 200:
            answers(reply)
        else:
            refused(reply)
    return f"{reply.status} for 1e400"


@probe("oip-deep-json", "practice")
def deep_json(target: Target) -> str:
    """Lists a hundred thousand deep are refused and harm nobody."""
    target.needs_protocol()
    deep = b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"
    told = refused(target.ask(target.request(deep), 10))
    target.demand_well()
    return told


@probe("oip-invalid-utf-8", "RFC 8259 8.1")
def invalid_utf8(target: Target) -> str:
    """A body that is no UTF-8 is refused."""
    target.needs_protocol()
    return refused(target.ask(target.request(json.dumps(target.body(id="@")).encode().replace(b"@", b"\xff\xfe"))))


@probe("oip-no-inside-told", "practice")
def no_inside_told(target: Target) -> str:
    """An error of the model comes without a traceback and without file names of the server."""
    reply = target.infer(13)
    demand(reply.status >= 400, f"answered {seen(reply)}")
    told = reply.body.decode(errors="replace")
    demand("Traceback" not in told and ".py" not in told, f"{reply.status} tells {told[:200]!r}")
    return f"{reply.status} without"
