"""What goes in comes out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pumice.domain.datatypes import BYTES, NUMPY_TYPES
from pumice.domain.errors import ModelNotFound, PumiceError, SignatureMismatch, TooLarge
from pumice.domain.model import Parameter
from pumice.domain.request import InferRequest, InferResult
from pumice.service.tasks import codec

AHEAD = 1_699_000_000.0

numbers = st.sampled_from([dtype for name, dtype in NUMPY_TYPES.items() if name != BYTES]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


@st.composite
def byte_strings(draw: st.DrawFn) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        array[index] = draw(st.binary(max_size=20))
    return array


tensors = st.dictionaries(st.text(min_size=1, max_size=10), numbers | byte_strings(), max_size=4)
parameters: st.SearchStrategy[dict[str, Parameter]] = st.dictionaries(
    st.text(max_size=8),
    st.text(max_size=8) | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.booleans(),
    max_size=4,
)


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return list(left) == list(right) and all(
        a.dtype == b.dtype
        and a.shape == b.shape
        and (a.tolist() == b.tolist() if a.dtype == object else bits(a) == bits(b))
        for a, b in zip(left.values(), right.values(), strict=True)
    )


def bits(array: np.ndarray) -> bytes:
    return array.tobytes()


@given(
    tensors, parameters, st.none() | st.floats(0, 1e6), st.integers(1, 16), st.tuples(st.text(), st.text(), st.text())
)
def test_requests_come_back(
    inputs: dict[str, np.ndarray],
    given_parameters: dict[str, Parameter],
    deadline: float | None,
    priority: int,
    words: tuple[str, str, str],
) -> None:
    request_id, traceparent, caller = words
    request = InferRequest(inputs, given_parameters, deadline, priority, request_id, traceparent, caller=caller)
    back = codec.decode_request(codec.encode_request(request, AHEAD), AHEAD)
    assert same(back.inputs, inputs)
    assert back.parameters == given_parameters
    assert [type(value) for value in back.parameters.values()] == [type(value) for value in given_parameters.values()]
    assert (back.deadline is None) == (deadline is None)
    assert back.deadline == pytest.approx(deadline, abs=1e-3)
    assert (back.priority, back.request_id, back.traceparent, back.caller) == (priority, *words)


@given(tensors, st.text(), st.text(), st.booleans())
def test_results_come_back(outputs: dict[str, np.ndarray], model: str, version: str, cached: bool) -> None:
    back = codec.decode_result(codec.encode_result(InferResult(outputs, model, version, cached)))
    assert same(back.outputs, outputs)
    assert (back.model, back.version, back.cached) == (model, version, cached)


def test_a_deadline_is_moved_to_the_clock_of_who_runs_it() -> None:
    data = codec.encode_request(InferRequest({}, deadline=50.0), ahead=1000.0)
    assert codec.decode_request(data, ahead=900.0).deadline == 150.0


def test_arrays_that_are_not_contiguous_and_strings_of_numpy_come_back() -> None:
    inputs = {
        "slice": np.arange(24, dtype=np.int16).reshape(4, 6)[::2, 1::2],
        "text": np.array([["a", "名"]]),
        "fixed": np.array([b"ab", b"c"]),
    }
    back = codec.decode_request(codec.encode_request(InferRequest(inputs), 0.0), 0.0).inputs
    assert np.array_equal(back["slice"], inputs["slice"])
    assert back["text"].tolist() == [[b"a", "名".encode()]]
    assert back["fixed"].tolist() == [b"ab", b"c"]


def test_nobody_can_write_into_what_was_decoded() -> None:
    inputs = {"x": np.zeros(3, dtype=np.float32), "text": np.array([b"a"], dtype=object)}
    back = codec.decode_request(codec.encode_request(InferRequest(inputs), 0.0), 0.0).inputs
    for array in back.values():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    "error",
    [SignatureMismatch("m", "input 'x'", "FP32", "INT64"), ModelNotFound("m", "2", ("a", "b")), PumiceError()],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_with_their_class_and_message(error: PumiceError) -> None:
    back = codec.decode_error(codec.encode_error(error), "m")
    assert type(back) is type(error)
    assert (back.code, back.message) == (error.code, error.message)


def test_what_no_database_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_BYTES", 1000)
    with pytest.raises(TooLarge, match="at most 1000"):
        codec.encode_request(InferRequest({"x": np.zeros(1000, dtype=np.uint8)}), 0.0)
    with pytest.raises(TooLarge, match="result"):
        codec.encode_result(InferResult({"x": np.zeros(1000, dtype=np.uint8)}, "m", "1"))
