"""Images as raw tensors, and the requests and answers that carry them."""

from __future__ import annotations

import json

import numpy as np

SHAPE = (3, 224, 224)
NBYTES = 4 * 3 * 224 * 224


def image(seed: int, rows: int = 1) -> np.ndarray:
    """Numbers unlike those of another seed."""
    return np.random.default_rng(seed).standard_normal((rows, *SHAPE), np.float32)


def described(rows: int = 1, **parameters: object) -> bytes:
    """The JSON that goes before so many images for `tests.support.models.Big`; its answer is binary too."""
    tensor = {
        "name": "image",
        "shape": [rows, *SHAPE],
        "datatype": "FP32",
        "parameters": {"binary_data_size": rows * NBYTES},
    }
    return json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True} | parameters}).encode()


def pixels(body: bytes, json_length: str) -> np.ndarray:
    """The images of an answer."""
    return np.frombuffer(body[int(json_length) :], np.float32).reshape(-1, *SHAPE)
