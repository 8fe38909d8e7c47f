"""Whether an answer is right; called in the load generator's process for every answer.

A request carries the expected label as its ``id``, which the protocol echoes, so no table has to be shared.
"""

from __future__ import annotations

import msgspec


class _Output(msgspec.Struct):
    data: list[str]


class _Answer(msgspec.Struct):
    id: str
    outputs: list[_Output]


_decode = msgspec.json.Decoder(_Answer).decode


def json_label(index: int, answer: bytes) -> bool:
    """Whether a JSON answer has the label that its id names.

    Args:
        index: Number of the request's body; not looked at.
        answer: The body of the answer; its first output is ``label``.
    """
    del index
    parsed = _decode(answer)
    return parsed.outputs[0].data == [parsed.id]


def binary_label(index: int, answer: bytes) -> bool:
    """Whether a binary answer ends in the label that its id names.

    Args:
        index: Number of the request's body; not looked at.
        answer: The body of the answer; its only output is ``label``.
    """
    del index
    label = answer.partition(b'"id":"')[2].partition(b'"')[0]
    return bool(label) and answer.endswith(len(label).to_bytes(4, "little") + label)
