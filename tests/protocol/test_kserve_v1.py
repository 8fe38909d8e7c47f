"""The KServe v1 codec: rows and columns in, rows and columns out, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pumice.domain.datatypes import BYTES, NUMPY_TYPES
from pumice.domain.errors import MalformedInput, SignatureMismatch
from pumice.domain.signature import Signature, Tensor
from pumice.protocol.kserve_v1 import decode_predict, encode_answer


def signature(*inputs: Tensor, outputs: tuple[Tensor, ...] | None = None) -> Signature:
    return Signature(list(inputs), list(outputs or inputs))


X = Tensor("x", "FP32", [-1, 2])
IDS = Tensor("ids", "INT64", [-1, 3])
TEXT = Tensor("text", BYTES, [-1])
FLAG = Tensor("flag", "BOOL", [-1])


def decode(tensors: Signature, **body: Any) -> dict[str, np.ndarray]:
    return decode_predict(json.dumps(body).encode(), "m", tensors).inputs


def test_rows_of_a_model_of_one_input() -> None:
    x = decode(signature(X), instances=[[1, 2.5], [3, 4]])["x"]
    assert x.dtype == np.float32
    assert x.tolist() == [[1, 2.5], [3, 4]]


def test_rows_by_name() -> None:
    arrays = decode(
        signature(IDS, TEXT), instances=[{"ids": [1, 2, 3], "text": "很好"}, {"text": "b", "ids": [4, 5, 6]}]
    )
    assert arrays["ids"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert arrays["text"].tolist() == ["很好".encode(), b"b"]


def test_one_input_may_be_named_too() -> None:
    assert decode(signature(X), instances=[{"x": [1, 2]}])["x"].tolist() == [[1, 2]]


def test_bytes_as_base64() -> None:
    text = decode(signature(TEXT), instances=[{"b64": "AP8="}, "plain"])["text"]
    assert text.tolist() == [b"\x00\xff", b"plain"]


@pytest.mark.parametrize("inputs", [{"x": [[1, 2]]}, [[1, 2]]])
def test_columns(inputs: object) -> None:
    call = decode_predict(json.dumps({"inputs": inputs}).encode(), "m", signature(X))
    assert not call.by_row
    assert call.inputs["x"].tolist() == [[1, 2]]


def test_parameters_and_the_signature_name_of_tensorflow_serving() -> None:
    body = {"instances": [[1, 2]], "parameters": {"beta": 0.5}, "signature_name": "serving_default"}
    assert decode_predict(json.dumps(body).encode(), "m", signature(X)).parameters == {"beta": 0.5}


def test_a_model_that_joins_no_rows_takes_one_instance() -> None:
    whole = Tensor("x", "FP32", [2, 2])
    assert decode(signature(whole), instances=[[[1, 2], [3, 4]]])["x"].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(SignatureMismatch, match="2 instances"):
        decode(signature(whole), instances=[[[1, 2], [3, 4]]] * 2)


def test_a_scalar_input() -> None:
    assert decode(signature(Tensor("x", "INT32", [])), instances=[7])["x"].shape == ()


@pytest.mark.parametrize(
    ("tensor", "instances", "told"),
    [
        (X, [[1, "2"]], "got `str`"),
        (X, [[1, True]], "got `bool`"),
        (X, [[1, None]], "got `null`"),
        (X, [[1], [1, 2]], "inhomogeneous"),
        (X, [1, 2], "Expected `array`, got `int`"),
        (X, [], "at least 1 instance"),
        (X, [{"y": [1, 2]}], "unknown name"),
        (X, [{"x": [1, 2]}, [1, 2]], r"instances\[1\]"),
        (IDS, [[1, 2, 3.5]], "got `float`"),
        (Tensor("x", "UINT8", [-1]), [256], "out of bounds"),
        (Tensor("x", "UINT8", [-1]), [-1], "out of bounds"),
        (Tensor("x", "INT64", [-1]), [2**70], "too large"),
        (FLAG, [1], "got `int`"),
        (TEXT, [1], "got `int`"),
        (TEXT, [["a"]], "got `array`"),
        (Tensor("text", BYTES, [-1, 2]), [["a", "b"], ["c"]], "different lengths"),
    ],
)
def test_what_does_not_fit_the_signature(tensor: Tensor, instances: list[Any], told: str) -> None:
    with pytest.raises(SignatureMismatch, match=told):
        decode(signature(tensor), instances=instances)


def test_several_inputs_need_names() -> None:
    with pytest.raises(SignatureMismatch, match="without a name"):
        decode(signature(X, IDS), instances=[[1, 2]])
    with pytest.raises(SignatureMismatch, match="without a name"):
        decode(signature(X, IDS), inputs=[[1, 2]])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"{}",
        b'{"instances": 3}',
        b'{"instances": [[1, 2]], "inputs": [[1, 2]]}',
        b'{"instances": [[1, 2]], "signature_name": "other"}',
        b'{"instances": [[1, 2]], "unknown": 1}',
        b'{"instances": [[1, NaN]]}',
        b'{"instances": ' + b"[" * 100_000,
        b'{"instances": ["\\ud800"]}',
    ],
)
def test_what_cannot_be_read(body: bytes) -> None:
    with pytest.raises(MalformedInput):
        decode_predict(body, "m", signature(X))


def test_broken_base64_cannot_be_read() -> None:
    with pytest.raises(MalformedInput, match="base64"):
        decode(signature(TEXT), instances=[{"b64": "AP="}])


def test_too_large_for_the_type_becomes_infinity_for_the_check_of_values() -> None:
    assert np.isinf(decode(signature(X), instances=[[1e300, 0]])["x"]).tolist() == [[True, False]]


def test_answers_of_one_output_are_bare_values() -> None:
    outputs = {"y": np.array([[1.5], [2.5]], np.float32)}
    sig = signature(X, outputs=(Tensor("y", "FP32", [-1, 1]),))
    assert json.loads(encode_answer(outputs, sig, by_row=True)) == {"predictions": [[1.5], [2.5]]}
    assert json.loads(encode_answer(outputs, sig, by_row=False)) == {"outputs": [[1.5], [2.5]]}


def test_answers_of_several_outputs_are_mappings() -> None:
    outputs = {
        "label": np.array([b"\xe5\xa5\xbd", b"\xff"], dtype=object),
        "scores": np.array([[0.25, 0.75], [1, 0]], np.float32),
    }
    sig = signature(TEXT, outputs=(Tensor("label", BYTES, [-1]), Tensor("scores", "FP32", [-1, 2])))
    assert json.loads(encode_answer(outputs, sig, by_row=True)) == {
        "predictions": [
            {"label": "好", "scores": [0.25, 0.75]},
            {"label": {"b64": "/w=="}, "scores": [1.0, 0.0]},
        ]
    }
    assert json.loads(encode_answer(outputs, sig, by_row=False))["outputs"]["scores"] == [[0.25, 0.75], [1.0, 0.0]]


def test_nonfinite_numbers_are_null() -> None:
    answer = encode_answer({"x": np.array([[np.nan, np.inf]], np.float32)}, signature(X), by_row=True)
    assert json.loads(answer) == {"predictions": [[None, None]]}


def test_an_answer_without_a_batch_is_one_prediction() -> None:
    sig = signature(X, outputs=(Tensor("total", "FP64", []),))
    assert json.loads(encode_answer({"total": np.array(3.0)}, sig, by_row=True)) == {"predictions": [3.0]}


@st.composite
def batches(draw: st.DrawFn) -> tuple[Signature, dict[str, np.ndarray]]:
    """A signature with a free first axis, and arrays that fit it."""
    rows = draw(st.integers(1, 4))
    names = draw(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3, unique=True))
    tensors, arrays = [], {}
    for name in names:
        datatype = draw(st.sampled_from(sorted(NUMPY_TYPES)))
        shape = (rows, *draw(st.lists(st.integers(1, 3), max_size=2)))
        tensors.append(Tensor(name, datatype, [-1, *shape[1:]]))
        if datatype == BYTES:
            flat = draw(st.lists(st.binary(max_size=6), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
            array = np.empty(len(flat), dtype=object)
            array[:] = flat
            arrays[name] = array.reshape(shape)
        else:
            finite = False if datatype.startswith("FP") else None
            elements = hnp.from_dtype(NUMPY_TYPES[datatype], allow_nan=finite, allow_infinity=finite)
            arrays[name] = draw(hnp.arrays(NUMPY_TYPES[datatype], shape, elements=elements))
    return Signature(tensors, tensors), arrays


@given(batches(), st.booleans())
def test_what_is_written_reads_back(batch: tuple[Signature, dict[str, np.ndarray]], by_row: bool) -> None:
    sig, arrays = batch
    answer = json.loads(encode_answer(arrays, sig, by_row=by_row))
    body = {"instances": answer["predictions"]} if by_row else {"inputs": answer["outputs"]}
    call = decode_predict(json.dumps(body).encode(), "m", sig)
    assert call.by_row is by_row
    assert call.inputs.keys() == arrays.keys()
    for name, array in arrays.items():
        assert call.inputs[name].dtype == array.dtype
        assert call.inputs[name].tolist() == array.tolist()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "b64", "ids"]), inner),
)


@given(json_values, st.sampled_from([X, IDS, TEXT, FLAG]), st.sampled_from(["instances", "inputs"]))
def test_any_json_is_read_or_refused_with_our_errors(value: object, tensor: Tensor, key: str) -> None:
    try:
        arrays = decode(signature(tensor), **{key: value})
    except (MalformedInput, SignatureMismatch):
        return
    assert all(array.dtype == tensor.dtype for array in arrays.values())  # missing inputs are found later
