"""The operation `infer`: named tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pumice.client.errors import BadAnswer
from pumice.client.flow import Call, Flow, Link, Reply
from pumice.client.models import model_path
from pumice.client.refusals import refusal
from pumice.client.types import Answer
from pumice.domain.errors import BadSetting, MalformedInput
from pumice.domain.model import Parameter
from pumice.protocol.oip.client_codec import Asked, decode_answer, encode_infer, wire_array

JSON_LENGTH = "inference-header-content-length"
"""Header that says where the JSON ends and the tensors' bytes begin."""


@dataclass(frozen=True, slots=True)
class Options:
    """The keywords of `pumice.client.types.InferOptions` with their defaults."""

    version: str = ""
    parameters: Mapping[str, Parameter] | None = None
    outputs: Sequence[str] | None = None
    timeout: float | None = None
    request_id: str | None = None
    priority: int | None = None
    binary: bool = True


def infer_call(model: str, inputs: Mapping[str, object], options: Options, *, parts: bool = False) -> Call:
    """Build the request of an inference.

    Args:
        model: Name of the model.
        inputs: Arrays, or what numpy makes arrays of, by the names of the model's inputs.
        options: How it is asked.
        parts: The answer comes in parts.

    Raises:
        SignatureMismatch: The protocol has no datatype for an input.
        BadSetting: The request id cannot go into a header.
        Unsupported: Bytes that are no UTF-8 text cannot go as JSON.
    """
    parameters = dict(options.parameters or {})
    if options.priority is not None:
        parameters["priority"] = options.priority
    request_id = options.request_id or ""
    body, json_length = encode_infer(
        {name: wire_array(model, name, value) for name, value in inputs.items()},
        Asked(request_id, parameters, options.outputs or (), options.binary, parts),
    )
    headers = {"content-type": "application/json" if json_length is None else "application/octet-stream"}
    if json_length is not None:
        headers[JSON_LENGTH] = str(json_length)
    if options.binary:
        headers["accept-encoding"] = "identity"  # compressing floats costs more time than it saves
    headers |= id_header(request_id)
    operation = "infer_stream" if parts else "infer"
    return Call("POST", f"{model_path(model, options.version)}/{operation}", headers, body, tell_deadline=not parts)


def infer(link: Link, model: str, inputs: Mapping[str, object], options: Options) -> Flow[Answer]:
    """Run a model.

    Raises:
        PumiceError: Of `infer_call`, of the connection, or as the server refuses.
    """
    call = infer_call(model, inputs, options)
    reply = yield from link.exchange(call, options.timeout)
    if not reply.ok:
        raise refusal(reply, model=model, version=options.version)
    return _answer(call, reply)


def id_header(request_id: str) -> dict[str, str]:
    """Return the header that carries the caller's id, or none for an empty one.

    Raises:
        BadSetting: It is not printable ASCII.
    """
    if not (request_id.isascii() and request_id.isprintable()):
        raise BadSetting("request_id", repr(request_id), "printable ASCII characters")
    return {"x-request-id": request_id} if request_id else {}


def _answer(call: Call, reply: Reply) -> Answer:
    length = reply.headers.get(JSON_LENGTH)
    try:
        answered = decode_answer(reply.body, None if length is None else int(length))
    except (MalformedInput, ValueError) as error:
        raise BadAnswer(str(call), str(error)) from None
    version = answered.version or reply.headers.get("x-model-version", "")
    return Answer(answered.outputs, answered.model, version, reply.headers.get("x-request-id", answered.id))
