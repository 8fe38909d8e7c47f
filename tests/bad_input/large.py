"""Requests with large binary bodies, and what came back for them."""

from __future__ import annotations

import numpy as np

from tests.bad_input.raw import Answered, Raw, post
from tests.support.images import described, image, pixels

INFER = "/v2/models/big/infer"
BIG = "big=tests.support.models:Big"


def request(seed: int, *headers: str, rows: int = 1) -> bytes:
    """A whole request with images of this seed."""
    text = described(rows)
    told = f"Inference-Header-Content-Length: {len(text)}"
    return post(INFER, text + image(seed, rows).tobytes(), told, *headers)


def is_right(answer: Answered, seed: int, rows: int = 1) -> bool:
    """Whether exactly these images came back."""
    assert answer.status == 200, answer.body[:500]
    came = pixels(answer.body, answer.headers["inference-header-content-length"])
    return bool(np.array_equal(came, image(seed, rows)))


def answers(url: str) -> bool:
    """Whether a large request is answered on a new connection."""
    with Raw(url) as raw:
        raw.send(request(1))
        answer = raw.read()
        return answer.status == 200 and is_right(answer, 1)


def head_of(sent: bytes) -> int:
    return sent.index(b"\r\n\r\n") + 4
