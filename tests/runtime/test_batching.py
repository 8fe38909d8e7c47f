"""Joining requests into a frame and cutting its answer apart: every row comes back to its caller."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.domain.errors import BadOutput, PumiceError
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import Signature, Tensor
from pumice.protocol.frames import PREFIX, BatchHead, decode_batch, frame, read_tensors, write_shared
from pumice.runtime.front.batching import Batcher, split_rows
from pumice.runtime.front.ticket import Ticket

SIGNATURE = Signature(
    inputs=[Tensor("x", "FP32", [-1, 3]), Tensor("n", "INT64", [-1]), Tensor("text", "BYTES", [-1])],
    outputs=[Tensor("y", "FP32", [-1, 3])],
)
BATCHER = Batcher("m", "1", Profile("python", "python", "tensor", SIGNATURE, batchable=True))


class Caller:
    """Keeps the answer of one ticket."""

    def __init__(self, request: InferRequest) -> None:
        self.result: InferResult | None = None
        self.error: PumiceError | None = None
        self.ticket = Ticket(request, BATCHER.key(request), 0.0, self._done)

    def _done(self, result: InferResult | None, error: PumiceError | None) -> None:
        self.result, self.error = result, error


def request(rows: int, seed: int) -> InferRequest:
    rng = np.random.default_rng(seed)
    text = np.empty(rows, dtype=object)
    text[:] = [rng.bytes(5) for _ in range(rows)]
    inputs: dict[str, np.ndarray] = {
        "x": rng.random((rows, 3), dtype=np.float32),
        "n": rng.integers(0, 9, rows),
        "text": text,
    }
    return InferRequest(inputs, rows=rows)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.booleans())
@settings(deadline=None)
def test_rows_go_there_and_come_back(sizes: list[int], shared: bool) -> None:
    callers = [Caller(request(rows, seed)) for seed, rows in enumerate(sizes)]
    batch = BATCHER.join([caller.ticket for caller in callers])
    assert batch is not None
    assert batch.rows == sum(sizes)
    head = BatchHead(1, batch.packed.heads, {}, batch.packed.nbytes if shared else 0)
    if shared:
        memory = memoryview(bytearray(batch.packed.nbytes))
        write_shared(memory, batch.packed.pieces)
        arrived = read_tensors(head.tensors, memory, shared=True)
    else:
        data = frame(head, batch.packed.pieces)
        length, payload = PREFIX.unpack_from(data)
        assert len(data) == PREFIX.size + length + payload
        view = memoryview(data)[PREFIX.size :]
        arrived = read_tensors(decode_batch(view[:length]).tensors, view[length:], shared=False)
    for name, array in arrived.items():
        np.testing.assert_array_equal(array, np.concatenate([c.ticket.request.inputs[name] for c in callers]))
    for caller, result in zip(callers, BATCHER.cut(batch, {"y": arrived["x"] * 2}), strict=True):
        np.testing.assert_array_equal(result.outputs["y"], caller.ticket.request.inputs["x"] * 2)


def test_a_request_with_nan_is_refused_alone() -> None:
    callers = [Caller(request(1, seed)) for seed in range(3)]
    callers[1].ticket.request.inputs["x"] = np.full((1, 3), np.nan, np.float32)
    batch = BATCHER.join([caller.ticket for caller in callers])
    assert batch is not None
    assert batch.tickets == [callers[0].ticket, callers[2].ticket]
    assert callers[1].error is not None
    assert "NaN" in callers[1].error.message


def test_an_output_that_lost_a_row_is_no_answer() -> None:
    batch = BATCHER.join([Caller(request(2, seed)).ticket for seed in range(2)])
    assert batch is not None
    with pytest.raises(BadOutput, match="3 rows"):
        BATCHER.cut(batch, {"y": np.zeros((3, 3), np.float32)})


@given(st.integers(1, 50), st.integers(1, 9))
def test_parts_are_the_whole(rows: int, most: int) -> None:
    whole = request(rows, 1)
    parts = list(split_rows(whole, most))
    assert all(1 <= part.rows <= most for part in parts)
    for name, array in whole.inputs.items():
        np.testing.assert_array_equal(np.concatenate([part.inputs[name] for part in parts]), array)
