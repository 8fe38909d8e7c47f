"""Compares a server's answers with ONNX Runtime's own; named in load jobs, so it runs in the generator's process.

The tolerance allows for the order of additions, which depends on the batch; it is far below any difference between
two rows.
"""

import msgspec
import numpy as np

from benchmarks.workloads import FIGURES, expected_rows

TOLERANCE = 2e-4


class Plain(msgspec.Struct):
    output: list[float]


class OipOutput(msgspec.Struct):
    data: list[float]


class Oip(msgspec.Struct):
    outputs: list[OipOutput]


_plain = msgspec.json.Decoder(Plain)
_oip = msgspec.json.Decoder(Oip)


def plain(index: int, answer: bytes) -> bool:
    """Checks `{"output": [...]}`."""
    return right(index, _plain.decode(answer).output)


def oip(index: int, answer: bytes) -> bool:
    """Checks an Open Inference Protocol answer."""
    return right(index, _oip.decode(answer).outputs[0].data)


def labelled(index: int, answer: bytes) -> bool:  # noqa: ARG001
    """Checks that an answer is that of a text classifier."""
    return b'"label"' in answer and b'"score"' in answer


def right(index: int, output: list[float]) -> bool:
    """Holds an output against the expected row of the workload that has outputs of this length."""
    row = expected_rows(FIGURES[len(output)])[index]
    return bool(np.abs(np.asarray(output) - row).max() < TOLERANCE)
