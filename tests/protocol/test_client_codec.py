"""The caller's codec against the server's: what one writes, the other reads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.datatypes import NUMPY_TYPES
from pumice.domain.errors import MalformedInput, SignatureMismatch, Unsupported
from pumice.domain.request import InferResult
from pumice.protocol.oip.client_codec import Asked, decode_answer, decode_tensors, encode_infer, json_inputs, wire_array
from pumice.protocol.oip.json_codec import decode_infer, encode_result

SHAPES = st.lists(st.integers(0, 4), max_size=3)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    datatype = draw(st.sampled_from(sorted(NUMPY_TYPES)))
    shape = tuple(draw(SHAPES))
    size = int(np.prod(shape))
    if datatype == "BYTES":
        flat = np.empty(size, dtype=object)
        flat[:] = draw(st.lists(st.text(max_size=6).map(str.encode), min_size=size, max_size=size))
        return flat.reshape(shape)
    return np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)), NUMPY_TYPES[datatype]).reshape(
        shape
    )


def same(left: np.ndarray, right: np.ndarray) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tolist() == right.tolist()


@given(st.dictionaries(st.text(min_size=1, max_size=5), arrays(), max_size=3), st.booleans())
def test_a_request_and_its_answer_come_through(tensors: dict[str, np.ndarray], binary: bool) -> None:
    body, json_length = encode_infer(tensors, Asked("id-1", {"depth": 3}, binary=binary))
    wire = decode_infer(body, json_length)
    assert list(wire.request.inputs) == list(tensors)
    assert all(same(wire.request.inputs[name], array) for name, array in tensors.items())
    assert (wire.id, wire.request.parameters, wire.binary_default) == ("id-1", {"depth": 3}, binary)
    pieces, length = encode_result(InferResult(wire.request.inputs, "m", "7"), wire)
    answered = decode_answer(b"".join(pieces), length)
    assert (answered.model, answered.version, answered.id) == ("m", "7", "id-1")
    assert all(same(answered.outputs[name], array) for name, array in tensors.items())


def test_wanted_outputs_and_priority_are_named() -> None:
    body, _ = encode_infer({"x": np.zeros(1, np.float32)}, Asked(parameters={"priority": 2}, outputs=["b", "a"]))
    wire = decode_infer(body, json_length=body.index(b"}]}") + 3)
    assert wire.outputs == ("b", "a")
    assert wire.request.priority == 2


@pytest.mark.parametrize(
    "value",
    [["很好", "no"], [b"\xe5\xbe\x88\xe5\xa5\xbd", b"no"], np.array(["很好", "no"]), np.array(["很好", b"no"], object)],
)
def test_text_may_be_str_or_bytes(value: Any) -> None:
    array = wire_array("m", "text", value)
    assert array.dtype == object
    assert array.tolist() == ["很好".encode(), b"no"]


def test_zero_bytes_at_the_end_of_bytes_are_kept() -> None:
    assert wire_array("m", "x", [b"a\0", b"b"]).tolist() == [b"a\0", b"b"]
    assert wire_array("m", "x", b"a\0").tolist() == b"a\0"


def test_other_byte_orders_and_python_numbers_are_taken() -> None:
    big = wire_array("m", "x", np.array([1.5, 2], ">f4"))
    assert big.dtype == np.float32
    assert big.tolist() == [1.5, 2]
    assert wire_array("m", "x", [[1, 2]]).dtype == np.int64


@pytest.mark.parametrize(
    "value",
    [[1 + 2j], [None], ["a", 3], [[1], [2, 3]], [[[1, 2]], [[1], [2]]], np.array(["2026-01-01"], "datetime64[D]")],
)
def test_what_has_no_datatype_is_refused(value: Any) -> None:
    with pytest.raises(SignatureMismatch, match="input 'x' of model 'm'"):
        wire_array("m", "x", value)


def test_bytes_that_are_no_text_do_not_go_as_json() -> None:
    with pytest.raises(Unsupported, match="binary=True"):
        encode_infer({"x": wire_array("m", "x", [b"\xff"])}, Asked(binary=False))


def test_json_tensors_come_back() -> None:
    array = np.arange(4, dtype=np.int32).reshape(2, 2)
    text = json.dumps(
        [{"name": i.name, "datatype": i.datatype, "shape": i.shape, "data": i.data} for i in json_inputs({"x": array})]
    )
    assert same(decode_tensors(text.encode())["x"], array)


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", 3),
        (b'{"model_name":"m"}', None),
        (b'{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[2]}]}', None),
        (b'{"model_name":"m","outputs":[{"name":"y","datatype":"BF16","shape":[1],"data":[1]}]}', None),
        (b'{"model_name":"m","outputs":[]}left over', 31),
    ],
)
def test_what_is_no_answer_is_refused(body: bytes, length: int | None) -> None:
    with pytest.raises(MalformedInput):
        decode_answer(body, length)


def test_what_is_no_list_of_outputs_is_refused() -> None:
    with pytest.raises(MalformedInput):
        decode_tensors(b"[{}]")
