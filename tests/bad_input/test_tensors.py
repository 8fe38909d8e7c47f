"""Tensors that lie: lengths, shapes, numbers, names and texts that cannot be, over HTTP and over gRPC."""

# ruff: noqa: E501 - the cases of a table read best on one line each

from __future__ import annotations

import json
import struct

import grpc
import pytest

from pumice.protocol.oip.proto import open_inference_pb2 as pb
from tests.bad_input.cases import INFER, Bad, binary, refused
from tests.bad_input.raw import Peak
from tests.bad_input.test_grpc import call
from tests.support.server import RunningServer
from tests.support.wire import infer, output

MOST_BYTES = 50_000_000


def sized(
    size: object, tail: bytes = bytes(16), shape: object = (1, 4), datatype: str = "FP32", status: int = 400
) -> Bad:
    body, headers = binary(size, tail, shape, datatype)
    return Bad(status, body, INFER, headers)


def headed(value: str) -> Bad:
    return Bad(400, binary()[0], INFER, (f"Inference-Header-Content-Length: {value}",))


def overlapping() -> Bad:
    """Two tensors of 16 bytes each, and 24 bytes for both."""
    said = {"shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
    head = json.dumps({"inputs": [{"name": "x", **said}, {"name": "z", **said}]}).encode()
    return Bad(400, head + bytes(24), INFER, (f"Inference-Header-Content-Length: {len(head)}",))


def numbers(data: str, datatype: str = "FP32", shape: str = "[1,4]", status: int = 400, name: str = "x") -> Bad:
    text = f'{{"inputs":[{{"name":{json.dumps(name)},"shape":{shape},"datatype":"{datatype}","data":{data}}}]}}'
    return Bad(status, text.encode())


def more(text: str, status: int = 400) -> Bad:
    """A good tensor, and something beside it."""
    tensor = '{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}'
    return Bad(status, f'{{"inputs":[{tensor}],{text}}}'.encode())


LONGEST = 2**63
CASES = {
    # lengths of binary tensors
    "a length beyond the body": sized(17),
    "a length before its end": sized(15),
    "a tail that is too long": sized(16, bytes(17)),
    "a tail that is too short": sized(16, bytes(15)),
    "no tail": sized(16, b""),
    "a negative length": sized(-1),
    "a length of -2**63": sized(-LONGEST),
    "a length of 2**63": sized(LONGEST),
    "a length of 2**64": sized(2**64),
    "a length that wraps to the right one": sized(2**64 + 16),
    "a length of 4,000 digits": sized("9" * 4000),
    "a length of a million digits": sized("9" * 1_000_000),
    "a length that is a fraction": sized(16.5),
    "a length that is a float": sized("1.6e1"),
    "an endless length": sized("1e400"),
    "a length that is text": sized('"16"'),
    "a length that is a truth value": sized(True),
    "a length that is null": sized(None),
    "a length that is a list": sized([16]),
    "lengths that overlap": overlapping(),
    "a text that reaches past its tensor": sized(8, struct.pack("<I", 2**32 - 1) + b"abcd", shape=[1], datatype="BYTES"),
    "a text without its length": sized(3, b"abc", shape=[1], datatype="BYTES"),
    "texts for more elements than there are bytes": sized(4, bytes(4), shape=[2**40], datatype="BYTES"),
    "something behind the last text": sized(6, bytes(6), shape=[1], datatype="BYTES"),
    # the header that tells where the JSON ends
    "JSON that is longer than the body": headed("100000"),
    "JSON of a negative length": headed("-1"),
    "JSON of 2**63 bytes": headed(str(LONGEST)),
    "JSON of a length of 1,000 digits": headed("9" * 1000),
    "JSON whose length is hexadecimal": headed("0x40"),
    "JSON whose length is no number": headed("ten"),
    "JSON whose length is in other digits": headed("\u0661\u0660".encode().decode("latin-1")),
    "JSON that ends within itself": headed("20"),
    # shapes
    "a product of 2**64": sized(16, shape=[2**32, 2**32]),
    "a product that wraps to the right one": sized(16, shape=[2**62 + 1, 4]),
    "a product that wraps, as JSON": numbers("[1,2,3,4]", shape="[4611686014132420609,4]"),
    "two negative sizes": sized(16, shape=[-1, -4]),
    "a size of 2**63": sized(16, shape=[LONGEST, 1]),
    "a size of 2**64": sized(16, shape=[2**64 + 1, 4]),
    "nothing, endlessly long": sized(0, b"", shape=[0, LONGEST - 1]),
    "nothing, endlessly often": sized(0, b"", shape=[2**40, 2**40, 0]),
    "a size of a million digits": numbers("[1,2,3,4]", shape="[1,%s]" % ("4" * 1_000_000)),
    "a size that is a fraction": sized(16, shape=[1, 4.5]),
    "a size that is text": sized(16, shape=["1", 4]),
    "a size that is a truth value": sized(16, shape=[True, 4]),
    "a size that is null": sized(16, shape=[None, 4]),
    "a million axes": numbers("[1,2,3,4]", shape="[%s4]" % ("1," * 1_000_000)),
    "no shape": sized(16, shape=None),
    # numbers out of range
    "INT8 of 128": numbers("[1,2,3,128]", "INT8"),
    "INT8 of -129": numbers("[1,2,3,-129]", "INT8"),
    "UINT8 of 256": numbers("[1,2,3,256]", "UINT8"),
    "UINT8 of -1": numbers("[1,2,3,-1]", "UINT8"),
    "INT16 of 2**15": numbers("[1,2,3,32768]", "INT16"),
    "UINT16 of 2**16": numbers("[1,2,3,65536]", "UINT16"),
    "INT32 of 2**31": numbers("[1,2,3,2147483648]", "INT32"),
    "UINT32 of 2**32": numbers("[1,2,3,4294967296]", "UINT32"),
    "INT64 of 2**63": numbers("[1,2,3,9223372036854775808]", "INT64"),
    "INT64 of -2**63 - 1": numbers("[1,2,3,-9223372036854775809]", "INT64"),
    "UINT64 of 2**64": numbers("[1,2,3,18446744073709551616]", "UINT64"),
    "UINT64 of -1": numbers("[1,2,3,-1]", "UINT64"),
    "INT32 of a fraction": numbers("[1,2,3,4.5]", "INT32"),
    "a number of a million digits": numbers("[1,2,3,%s]" % ("9" * 1_000_000)),
    "a whole number of a million digits": numbers("[1,2,3,%s]" % ("9" * 1_000_000), "INT64"),
    "FP32 of 1e400": numbers("[1,2,3,1e400]"),
    "FP32 of 1e39": numbers("[1,2,3,1e39]", status=422),
    "FP32 of NaN": sized(16, struct.pack("<4f", 1, 2, 3, float("nan")), status=422),
    "BOOL of 2": sized(4, b"\0\1\2\1", datatype="BOOL"),
    "BOOL of numbers": numbers("[0,1,0,1]", "BOOL"),
    # names and texts
    "a NUL in the name of a tensor": numbers("[1,2,3,4]", name="x\0", status=422),
    "a NUL in the name of an output": more('"outputs":[{"name":"y\\u0000"}]', 422),
    "a zero byte in the JSON": Bad(400, b'{"inputs":[]\0}'),
    "no UTF-8 in a name": Bad(400, b'{"inputs":[{"name":"\xff","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}'),
    "half a surrogate in a name": more('"outputs":[{"name":"\\ud800"}]'),
    "no UTF-8 in a text": Bad(400, b'{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","data":["\xc0\xaf"]}]}', "/v2/models/shout/infer"),
    "a name of a million letters": numbers("[1,2,3,4]", name="x" * 1_000_000, status=422),
    "a key twice": more('"id":"a","id":"b"'),
    "a key twice, once escaped": more('"id":"a","i\\u0064":"b"'),
    "a parameter twice": more('"parameters":{"a":1,"a":2}'),
    # depth and number
    "a million brackets": Bad(400, b"[" * 1_000_000),
    "a million braces": Bad(400, b'{"a":' * 1_000_000),
    "a million lists in the data": numbers("[" * 1_000_000 + "]" * 1_000_000),
    "a million lists that nobody reads": more('"z":' + "[" * 1_000_000 + "]" * 1_000_000),
    "a million keys": more('"z":{' + ",".join(f'"{number}":0' for number in range(1_000_000)) + "}"),
    "100,000 tensors": Bad(400, b'{"inputs":[%b]}' % b",".join([b'{"name":"x","shape":[0],"datatype":"FP32","data":[]}'] * 100_000)),
    "no tensors": Bad(422, b'{"inputs":[]}'),
}  # fmt: skip
ELSEWHERE = {
    "deep, for KServe": Bad(400, b'{"instances":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "/v1/models/double:predict"),
    "ragged, for KServe": Bad(422, b'{"instances":[[1,2,3,4],[1]]}', "/v1/models/double:predict"),
    "1e400, for KServe": Bad(400, b'{"instances":[[1,2,3,1e400]]}', "/v1/models/double:predict"),
    "a key twice, for KServe": Bad(400, b'{"instances":[[1,2,3,4]],"instances":[[1,2,3,4]]}', "/v1/models/double:predict"),
    "no UTF-8, for KServe": Bad(400, b'{"instances":["\xff"]}', "/v1/models/shout:predict"),
    "deep, for a task": Bad(400, b'{"model":"double","inputs":' + b"[" * 1_000_000, "/predict"),
    "a key twice, for a task": Bad(400, b'{"model":"double","model":"shout","text":"a"}', "/predict"),
    "a NUL in the name of a model": Bad(404, b'{"model":"double\\u0000","text":"a"}', "/predict"),
    "a shape that wraps, for a task": Bad(400, b'{"model":"double","inputs":[{"name":"x","shape":[4611686014132420609,4],"datatype":"FP32","data":[1,2,3,4]}]}', "/predict"),
    "JSON of a length of 5,000 digits, part by part": Bad(400, binary()[0], "/v2/models/double/infer_stream", ("Inference-Header-Content-Length: " + "9" * 5000,)),
    "deep, for generate": Bad(400, b'{"x":' + b"[" * 1_000_000, "/v2/models/double/generate"),
    "a key twice, for generate": Bad(400, b'{"x":[1,2,3,4],"x":[1,2,3,4]}', "/v2/models/double/generate"),
    "deep, for load": Bad(400, b'{"parameters":' + b"[" * 1_000_000, "/v2/repository/models/new/load"),
    "deep in the config of load": Bad(400, json.dumps({"parameters": {"config": "[" * 1_000_000}}).encode(), "/v2/repository/models/new/load"),
    "a NUL in a file's name": Bad(400, b'{"parameters":{"config":"{}","file:1/a\\u0000b":"AA=="}}', "/v2/repository/models/new/load"),
    "a NUL in the name of a model to load": Bad(404, b"{}", "/v2/repository/models/a%00b/load"),
}  # fmt: skip


@pytest.mark.parametrize("case", (CASES | ELSEWHERE).values(), ids=CASES | ELSEWHERE)
def test_over_http(server: RunningServer, case: Bad) -> None:
    refused(server, case, MOST_BYTES)


# -- gRPC


def message(
    shape: list[int], datatype: str = "FP32", raw: bytes | None = None, name: str = "x"
) -> pb.ModelInferRequest:
    made = pb.ModelInferRequest(model_name="double", raw_input_contents=[] if raw is None else [raw])
    made.inputs.add(name=name, datatype=datatype, shape=shape)
    return made


def filled(kind: str, numbers: list[float], datatype: str) -> pb.ModelInferRequest:
    made = message([1, len(numbers)], datatype)
    getattr(made.inputs[0].contents, kind).extend(numbers)
    return made


def ill_named() -> bytes:
    """A name that is no UTF-8, which the library that writes messages would not write."""
    return message([1, 4], raw=bytes(16)).SerializeToString().replace(b"double", b"\xff" * 6)


def both() -> pb.ModelInferRequest:
    made = filled("fp32_contents", [1, 2, 3, 4], "FP32")
    made.raw_input_contents.append(bytes(16))
    return made


BAD, UNKNOWN = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
MESSAGES = {
    "a byte too many": (message([1, 4], raw=bytes(17)), BAD),
    "a byte too few": (message([1, 4], raw=bytes(15)), BAD),
    "no bytes": (message([1, 4], raw=b""), BAD),
    "two tails for one tensor": (pb.ModelInferRequest.FromString(message([1, 4], raw=bytes(16)).SerializeToString() * 2), BAD),
    "both kinds of contents": (both(), BAD),
    "no contents": (message([1, 4]), BAD),
    "a product that wraps to the right one": (message([2**62 + 1, 4], raw=bytes(16)), BAD),
    "a product of 2**64": (message([2**32, 2**32], raw=b""), BAD),
    "negative sizes": (message([-1, -4], raw=bytes(16)), BAD),
    "a size of -2**63": (message([-(2**63), 4], raw=bytes(16)), BAD),
    "nothing, endlessly long": (message([0, 2**63 - 1], raw=b""), BAD),
    "a million axes": (message([1] * 1_000_000, raw=bytes(4)), BAD),
    "INT8 of 128": (filled("int_contents", [1, 2, 3, 128], "INT8"), BAD),
    "UINT8 of 256": (filled("uint_contents", [1, 2, 3, 256], "UINT8"), BAD),
    "INT16 of 2**15": (filled("int_contents", [1, 2, 3, 2**15], "INT16"), BAD),
    "contents of another datatype": (filled("int64_contents", [1, 2, 3, 4], "FP32"), BAD),
    "FP32 of NaN": (filled("fp32_contents", [1, 2, 3, float("nan")], "FP32"), BAD),
    "BOOL of 2": (message([1, 4], "BOOL", b"\0\1\2\1"), BAD),
    "a text that reaches past its tensor": (message([1], "BYTES", struct.pack("<I", 2**32 - 1) + b"abcd"), BAD),
    "texts for more elements than there are bytes": (message([2**40], "BYTES", bytes(4)), BAD),
    "a NUL in the name of a tensor": (message([1, 4], raw=bytes(16), name="x\0"), BAD),
    "a NUL in the name of a model": (pb.ModelInferRequest(model_name="double\0"), UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "code"), MESSAGES.values(), ids=MESSAGES)
def test_over_grpc(server: RunningServer, sent: pb.ModelInferRequest, code: grpc.StatusCode) -> None:
    with Peak(server.addresses.pid) as peak:
        assert call(server, sent.SerializeToString())[0] is code
    assert peak.growth < MOST_BYTES


def test_a_name_that_is_no_utf_8_over_grpc(server: RunningServer) -> None:
    assert call(server, ill_named())[0] is grpc.StatusCode.INVALID_ARGUMENT


LARGE = 17_000_000
BLOWN = b"[" + b"[]," * (LARGE // 3) + b"[]]"
TOO_LARGE = {
    "infer": Bad(413, b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":%b}]}' % BLOWN),
    "infer, in front of binary data": Bad(413, BLOWN + bytes(16), INFER, (f"Inference-Header-Content-Length: {len(BLOWN)}",)),
    "parts": Bad(413, BLOWN, "/v2/models/double/infer_stream"),
    "generate": Bad(413, b'{"x":%b}' % BLOWN, "/v2/models/double/generate"),
    "KServe": Bad(413, b'{"instances":%b}' % BLOWN, "/v1/models/double:predict"),
    "a task": Bad(413, b'{"model":"double","inputs":%b}' % BLOWN, "/predict"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_LARGE.values(), ids=TOO_LARGE)
def test_json_that_would_take_fifty_times_its_size(server: RunningServer, case: Bad) -> None:
    refused(server, case, 4 * LARGE)


def test_nothing_of_it_was_unforeseen(server: RunningServer) -> None:
    assert "Traceback" not in server.logged()
    assert output(infer(server.url, "double")) == [2, 4, 6, 8]
