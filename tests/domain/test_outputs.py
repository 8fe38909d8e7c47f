"""The check of a model's answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pumice.domain.errors import BadOutput
from pumice.domain.outputs import OutputCheck
from pumice.domain.signature import Signature, Tensor

SIGNATURE = Signature(
    inputs=[Tensor("x", "FP32", [-1])],
    outputs=[Tensor("y", "FP32", [-1, 2]), Tensor("z", "BYTES", [-1, -1])],
)


def answer(rows: int = 3) -> dict[str, Any]:
    return {"y": np.zeros((rows, 2), np.float32), "z": np.full((rows, 1), b"text", dtype=object)}


def test_a_good_answer_passes() -> None:
    check = OutputCheck("m", SIGNATURE, batchable=True).check
    check(answer(), 3)
    check({"z": answer()["z"], "y": np.zeros((2, 3), np.float32).T}, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": None}, "output 'y' of model 'm': the model gave nothing"),
        ({"w": np.zeros(3)}, "the model gave the outputs"),
        ({"y": [[1.0, 2.0]]}, "gave list"),
        ({"y": np.float32(1)}, "gave float32"),
        ({"y": np.zeros((3, 2))}, r"gave FP64 \[3, 2\]; its signature says FP32 \[-1, 2\]"),
        ({"y": np.zeros((3, 2), ">f4")}, "gave >f4"),
        ({"y": np.zeros((3, 3), np.float32)}, r"gave FP32 \[3, 3\]"),
        ({"y": np.zeros((), np.float32)}, r"gave FP32 \[\]"),
        ({"z": np.zeros(3, object)}, r"gave BYTES \[3\]"),
        ({"y": np.zeros((4, 2), np.float32)}, "gave 4 rows for 3 rows"),
        ({"z": np.array([["a"], ["b"], ["c"]])}, "gave <U1"),
        ({"z": np.array([["a"], ["b"], ["c"]], dtype=object)}, "an element of type str"),
    ],
)
def test_what_the_signature_does_not_allow(changes: dict[str, Any], words: str) -> None:
    given = {name: array for name, array in (answer() | changes).items() if array is not None}
    if "y" not in given:
        given["q"] = np.zeros(3)
    with pytest.raises(BadOutput, match=words):
        OutputCheck("m", SIGNATURE, batchable=True).check(given, 3)


def test_rows_are_free_where_they_are_not_joined() -> None:
    OutputCheck("m", SIGNATURE, batchable=False).check(answer(5), 3)


def test_scalars_have_no_rows() -> None:
    signature = Signature(inputs=[], outputs=[Tensor("sum", "INT64", [])])
    OutputCheck("m", signature, batchable=False).check({"sum": np.array(3)}, 1)


def test_nan_is_an_error_unless_it_is_allowed() -> None:
    broken = answer()
    broken["y"][1, 1] = np.nan
    with pytest.raises(BadOutput, match=r"the model gave NaN; .*'allow_nan_outputs'"):
        OutputCheck("m", SIGNATURE, batchable=True).check(broken, 3)
    OutputCheck("m", SIGNATURE, batchable=True, allow_nan=True).check(broken, 3)
    infinite = answer()
    infinite["y"][1, 1] = -np.inf
    OutputCheck("m", SIGNATURE, batchable=True).check(infinite, 3)
