"""What JSON requests may not say, and that both readers of them agree."""

# ruff: noqa: UP031, E501 - JSON is full of braces, and its cases read best on one line each

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.errors import MalformedInput, PumiceError, SignatureMismatch
from pumice.domain.signature import Signature, Tensor
from pumice.protocol import json_keys
from pumice.protocol.json_keys import refuse_double_keys
from pumice.protocol.oip.flat_json import FlatReader
from pumice.protocol.oip.generate import decode_generate
from pumice.protocol.oip.json_codec import decode_infer
from pumice.protocol.oip.types import WireRequest, check_outputs

FLOATS = Signature([Tensor("x", "FP32", [-1, 2])], [Tensor("y", "FP32", [-1, 2])])
INTS = Signature([Tensor("x", "INT64", [-1, 2])], [Tensor("y", "INT64", [-1, 2])])

X = '"name":"x","shape":[1,2],"datatype":"FP32"'
REFUSED = {
    "a key of the request twice": '{"inputs":[{%s,"data":[1,2]}],"inputs":[{%s,"data":[3,4]}]}' % (X, X),
    "a key of a tensor twice": '{"inputs":[{%s,"data":[1,2],"data":[3,4]}]}' % X,
    "a key twice, once escaped": '{"inputs":[{%s,"data":[1,2],"d\\u0061ta":[3,4]}]}' % X,
    "a parameter twice": '{"inputs":[{%s,"data":[1,2]}],"parameters":{"a":1,"a":2}}' % X,
    "an unknown key twice": '{"inputs":[{%s,"data":[1,2]}],"z":1,"z":2}' % X,
    "twice, deep in what is ignored": '{"inputs":[{%s,"data":[1,2]}],"z":[{"a":{"b":1,"b":2}}]}' % X,
    "NaN": '{"inputs":[{%s,"data":[1,NaN]}]}' % X,
    "infinity": '{"inputs":[{%s,"data":[1,-Infinity]}]}' % X,
    "beyond a double": '{"inputs":[{%s,"data":[1,1e400]}]}' % X,
    "a whole number beyond a double": '{"inputs":[{%s,"data":[1,1%s]}]}' % (X, "0" * 400),
    "a number with a leading zero": '{"inputs":[{%s,"data":[1,02]}]}' % X,
    "a truth value among numbers": '{"inputs":[{%s,"data":[1,true]}]}' % X,
    "null among numbers": '{"inputs":[{%s,"data":[1,null]}]}' % X,
    "one number too few": '{"inputs":[{%s,"data":[1]}]}' % X,
    "one number too many": '{"inputs":[{%s,"data":[1,2,3]}]}' % X,
    "ragged": '{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2,3],[4]]}]}',
    "nested otherwise than its shape": '{"inputs":[{%s,"data":[[1],[2]]}]}' % X,
    "lists beside numbers": '{"inputs":[{%s,"data":[1,[2]]}]}' % X,
    "a negative size": '{"inputs":[{"name":"x","shape":[-1,-2],"datatype":"FP32","data":[1,2]}]}',
    "sizes that overflow": '{"inputs":[{"name":"x","shape":[4294967296,4294967296],"datatype":"FP32","data":[]}]}',
    "an empty tensor with endless axes": '{"inputs":[{"name":"x","shape":[0,9223372036854775807],"datatype":"FP32","data":[]}]}',
    "forty axes": '{"inputs":[{"name":"x","shape":[%s2],"datatype":"FP32","data":[1,2]}]}' % ("1," * 39),
    "an unknown datatype": '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP8","data":[1,2]}]}',
    "a shape that is no list": '{"inputs":[{"name":"x","shape":2,"datatype":"FP32","data":[1,2]}]}',
    "data that are text": '{"inputs":[{%s,"data":"1,2"}]}' % X,
    "data and a size of binary data": '{"inputs":[{%s,"data":[1,2],"parameters":{"binary_data_size":8}}]}' % X,
    "no data": '{"inputs":[{%s}]}' % X,
    "a truth value as size of binary data": '{"inputs":[{%s,"parameters":{"binary_data_size":true}}]}' % X,
    "a negative size of binary data": '{"inputs":[{%s,"parameters":{"binary_data_size":-1}}]}' % X,
    "an input twice": '{"inputs":[{%s,"data":[1,2]},{%s,"data":[1,2]}]}' % (X, X),
    "an output twice": '{"inputs":[{%s,"data":[1,2]}],"outputs":[{"name":"y"},{"name":"y"}]}' % X,
    "binary_data that is no truth value": '{"inputs":[{%s,"data":[1,2]}],"outputs":[{"name":"y","parameters":{"binary_data":1}}]}' % X,
    "binary_data_output that is text": '{"inputs":[{%s,"data":[1,2]}],"parameters":{"binary_data_output":"yes"}}' % X,
    "a list as parameter": '{"inputs":[{%s,"data":[1,2]}],"parameters":{"a":[1]}}' % X,
    "a parameter beyond 64 bits": '{"inputs":[{%s,"data":[1,2]}],"parameters":{"a":18446744073709551616}}' % X,
    "an endless timeout": '{"inputs":[{%s,"data":[1,2]}],"parameters":{"timeout":1%s}}' % (X, "0" * 400),
    "a truth value as timeout": '{"inputs":[{%s,"data":[1,2]}],"parameters":{"timeout":true}}' % X,
    "a priority beyond the range": '{"inputs":[{%s,"data":[1,2]}],"parameters":{"priority":17}}' % X,
    "a lone surrogate": '{"inputs":[{%s,"data":[1,2]}],"id":"\\ud800"}' % X,
    "a lone surrogate where it is ignored": '{"inputs":[{%s,"data":[1,2]}],"z":"\\udc00"}' % X,
    "a trailing comma": '{"inputs":[{%s,"data":[1,2]}],}' % X,
    "something behind the end": '{"inputs":[{%s,"data":[1,2]}]} {}' % X,
    "a comment": '{"inputs":[{%s,"data":[1,2]}]} // x' % X,
    "single quotes": "{'inputs':[]}",
    "an id that is a number": '{"inputs":[{%s,"data":[1,2]}],"id":7}' % X,
    "nothing": "",
    "a list": "[]",
    "null": "null",
    "deep nesting": "[" * 100_000,
    "deep nesting in data": '{"inputs":[{%s,"data":%s1%s}]}' % (X, "[" * 100_000, "]" * 100_000),
    "deep nesting where it is ignored": '{"inputs":[{%s,"data":[1,2]}],"z":%s%s}' % (X, "[" * 100_000, "]" * 100_000),
    "too many keys": '{"inputs":[{%s,"data":[1,2]}],"z":{%s}}'
    % (X, ",".join(f'"{number}":0' for number in range(json_keys.MAX_KEYS + 1))),
}  # fmt: skip
BYTES_REFUSED = {
    "a byte order mark": b"\xef\xbb\xbf" + b'{"inputs":[]}',
    "UTF-16": '{"inputs":[]}'.encode("utf-16"),
    "no UTF-8 in a name": b'{"inputs":[{"name":"\xff","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
    "no UTF-8 in a text": b'{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\xc3\x28"]}]}',
    "no UTF-8 where it is ignored": b'{"inputs":[{%s,"data":[1,2]}],"z":"\xff"}' % X.encode(),
    "a zero byte": b'{"inputs":[]}\x00',
    "ragged texts": b'{"inputs":[{"name":"x","shape":[3],"datatype":"BYTES","data":[["a","b"],["c"]]}]}',
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_refused(text: str) -> None:
    body = text.encode()
    with pytest.raises(MalformedInput) as refused:
        read(FLOATS, body)
    assert len(refused.value.message) > 0


@pytest.mark.parametrize("body", BYTES_REFUSED.values(), ids=BYTES_REFUSED)
def test_bytes_refused(body: bytes) -> None:
    with pytest.raises(MalformedInput):
        read(FLOATS, body)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**100])
def test_whole_numbers_beyond_their_datatype(number: int) -> None:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "INT64", "data": [1, number]}
    with pytest.raises(MalformedInput, match="INT64"):
        read(INTS, json.dumps({"inputs": [tensor]}).encode())


def test_truth_values_are_no_numbers_and_numbers_no_truth_values() -> None:
    flags = Signature([Tensor("x", "BOOL", [-1])], [])
    for data in ([1, 0], ["true"], [None]):
        tensor = {"name": "x", "shape": [len(data)], "datatype": "BOOL", "data": data}
        with pytest.raises(MalformedInput):
            read(flags, json.dumps({"inputs": [tensor]}).encode())


@pytest.mark.parametrize("datatype", ["FP32", "FP16"])
def test_numbers_beyond_a_float_become_infinity_which_models_refuse_later(datatype: str) -> None:
    tensor = {"name": "x", "shape": [1, 2], "datatype": datatype, "data": [1, 1e39]}
    wire = decode_infer(json.dumps({"inputs": [tensor]}).encode())
    assert np.isinf(wire.request.inputs["x"]).tolist() == [[False, True]]


def test_an_output_that_is_not_there_is_refused_before_the_model_runs() -> None:
    wire = read(FLOATS, b'{"inputs":[{%s,"data":[1,2]}],"outputs":[{"name":"z"}]}' % X.encode())
    with pytest.raises(SignatureMismatch, match="'z'"):
        check_outputs(wire, "m", FLOATS)


def test_colons_in_strings_and_unknown_keys_do_no_harm() -> None:
    text = (
        '{"inputs":[{%s,"data":[1,2],"other":{"a":{"b":"c:d"}}}],"id":"a:b","more":[{"a":1},{"a":2}],'
        '"parameters":{"p":"x:\\"{","q":1}}' % X
    )
    wire = read(FLOATS, text.encode())
    assert wire.id == "a:b"
    assert wire.request.parameters == {"p": 'x:"{', "q": 1}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "text", ['{"x":[1,2],"x":[3,4]}', '{"x":[1,2],"parameters":{"a":1,"a":2}}', '{"id":"a","id":"b"}']
)
def test_generate_takes_no_double_keys(text: str) -> None:
    with pytest.raises(MalformedInput, match="twice"):
        decode_generate(text.encode(), "m", FLOATS)


@given(json_values, st.booleans())
def test_every_text_without_double_keys_passes(value: Any, ascii_only: bool) -> None:
    refuse_double_keys(json.dumps(value, ensure_ascii=ascii_only).encode(errors="replace"))


@given(st.text(max_size=4), json_values, json_values, st.booleans())
def test_every_double_key_is_found(key: str, one: Any, two: Any, escaped: bool) -> None:
    key = key.encode(errors="replace").decode()
    first = json.dumps(key, ensure_ascii=escaped)
    text = "[%s,{%s:%s , %s : %s}]" % (
        *(json.dumps(v) for v in (one,)),
        first,
        json.dumps(one),
        json.dumps(key),
        json.dumps(two),
    )
    with pytest.raises(MalformedInput, match="twice"):
        refuse_double_keys(text.encode())


numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
tensors = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "x", "x", "w"]),
        "shape": st.lists(st.integers(-1, 3), max_size=3) | st.just([1, 2]) | st.just([2, 2]),
        "datatype": st.sampled_from(["FP32", "FP32", "FP32", "INT64", "FP64", "BOOL", "BYTES", "no"]),
        "data": st.lists(numbers, max_size=6) | st.lists(st.lists(numbers, max_size=3), max_size=3),
    },
    optional={"parameters": st.dictionaries(st.sampled_from(["a", "binary_data_size"]), numbers), "other": json_values},
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, min_size=1, max_size=2)},
    optional={
        "id": st.text(max_size=5),
        "parameters": st.dictionaries(st.sampled_from(["a", "priority", "timeout", "binary_data_output"]), json_values),
        "outputs": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["y", "z"])}), max_size=2),
        "other": json_values,
    },
)


@given(requests, st.sampled_from([FLOATS, INTS]))
def test_both_readers_agree(request_: dict[str, Any], signature: Signature) -> None:
    body = msgspec.json.encode(request_)
    quick, thorough = outcome(lambda: FlatReader(signature).read(body)), outcome(lambda: decode_infer(body))
    if quick is None:
        return  # left to the other
    assert type(quick) is type(thorough)
    if isinstance(quick, WireRequest) and isinstance(thorough, WireRequest):
        assert (quick.id, quick.outputs, quick.binary, quick.binary_default, quick.timeout_s) == (
            (thorough.id, thorough.outputs, thorough.binary, thorough.binary_default, thorough.timeout_s)
        )
        assert quick.request.parameters == thorough.request.parameters
        assert list(quick.request.inputs) == list(thorough.request.inputs)
        for name, array in quick.request.inputs.items():
            np.testing.assert_array_equal(array, thorough.request.inputs[name], strict=True)
    else:
        assert str(quick) == str(thorough)


def outcome(read_it: Any) -> WireRequest | PumiceError | None:
    try:
        with np.errstate(over="ignore"):
            result: WireRequest | None = read_it()
    except PumiceError as error:
        return error
    return result


def read(signature: Signature, body: bytes) -> WireRequest:
    """As the hot path reads."""
    return FlatReader(signature).read(body) or decode_infer(body)
