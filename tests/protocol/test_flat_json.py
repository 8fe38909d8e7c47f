"""What is written in one pass is what the general codec writes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pumice.domain.errors import Unsupported
from pumice.domain.request import InferRequest, InferResult
from pumice.protocol.oip.flat_json import write_flat
from pumice.protocol.oip.json_codec import encode_result
from pumice.protocol.oip.types import WireRequest

DTYPES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")


def answer(array: np.ndarray, name: str = "y") -> InferResult:
    return InferResult({name: array}, "m", "1")


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    st.text(min_size=1, max_size=8),
)
def test_both_write_the_same(array: np.ndarray, name: str) -> None:
    wire = WireRequest(InferRequest({}))
    flat = write_flat(answer(array, name), wire)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        assert flat is None
        with pytest.raises(Unsupported):
            encode_result(answer(array, name), wire)
        return
    assert flat is not None
    assert b"".join(flat) == b"".join(encode_result(answer(array, name), wire)[0])


def test_what_is_out_of_the_ordinary_is_left_to_the_other() -> None:
    numbers = np.zeros((1, 2), np.float32)
    two = InferResult({"y": numbers, "z": numbers}, "m", "1")
    texts = np.array([b"a"], dtype=object)
    assert write_flat(two, WireRequest(InferRequest({}))) is None
    assert write_flat(answer(texts), WireRequest(InferRequest({}))) is None
    for wire in (
        WireRequest(InferRequest({}), id="7"),
        WireRequest(InferRequest({}), outputs=("y",)),
        WireRequest(InferRequest({}), binary_default=True),
        WireRequest(InferRequest({}), targets={}),
    ):
        assert write_flat(answer(numbers), wire) is None
