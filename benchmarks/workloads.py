"""The workloads: what is sent, and what a right answer holds.

A: a tiny ONNX MLP, one row of 16 floats a request. B: MiniLM in ONNX, one row of 32 token ids a request. JSON both.
C: an image of 3x224x224 floats, as raw bytes, into a model that only takes means.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks import paths

ROWS = 64
"""Different rows of a workload, sent in turn: enough that no server answers from luck."""
TOKENS = 32
IMAGE = (3, 224, 224)
IMAGES = 8
"""Different images: some 5 MB in all, more than a core's own cache holds."""
FIGURES = {4: "A", 384: "B", 3: "C"}
"""Workload by the length of its outputs."""


@dataclass(frozen=True)
class Workload:
    """One workload.

    Attributes:
        key: `A`, `B` or `C`.
        name: Name of the model where a protocol asks for one.
        title: For people.
        model: The ONNX file.
        connections: At how many connections it is measured.
        check_every: How often an answer's numbers are compared; its status and shape are looked at always.
    """

    key: str
    name: str
    title: str
    model: Path
    connections: tuple[int, ...]
    check_every: int

    @property
    def binary(self) -> bool:
        """Whether tensors travel as raw bytes instead of JSON."""
        return self.key == "C"

    def feed(self) -> dict[str, np.ndarray]:
        """Returns all rows, by input."""
        rng = np.random.default_rng(20)
        if self.key == "C":
            # each image and channel around a mean of its own, so that an answer for another one is seen to be wrong
            means = np.linspace(-2, 2, 3 * IMAGES, dtype=np.float32).reshape(IMAGES, 3, 1, 1)
            return {"x": rng.standard_normal((IMAGES, *IMAGE), np.float32) + means}
        if self.key == "A":
            return {"x": rng.standard_normal((ROWS, 16)).astype(np.float32).round(4)}
        ids = rng.integers(1000, 29000, (ROWS, TOKENS))
        ids[:, 0], ids[:, -1] = 101, 102
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    def expected(self) -> np.ndarray:
        """Returns the right outputs, one row each, as ONNX Runtime gives them without any server."""
        return expected_rows(self.key)

    def plain_bodies(self) -> tuple[bytes, ...]:
        """Returns the rows as a hand-written service takes them: `{"x": [...]}`, or the raw bytes."""
        feed = self.feed()
        if self.binary:
            return tuple(row.tobytes() for row in feed["x"])
        return tuple(_json({name: rows[at].tolist() for name, rows in feed.items()}) for at in range(ROWS))

    def oip_bodies(self) -> tuple[bytes, ...]:
        """Returns the rows in the Open Inference Protocol, with its binary extension if they are raw bytes."""
        if self.binary:
            return tuple(self._binary_header() + row.tobytes() for row in self.feed()["x"])
        return tuple(_json({"inputs": self._oip_inputs(at)}) for at in range(ROWS))

    def plain_headers(self) -> dict[str, str]:
        """Returns the headers that a hand-written service is sent."""
        return {"content-type": "application/octet-stream" if self.binary else "application/json"}

    def oip_headers(self) -> dict[str, str]:
        """Returns the headers of the Open Inference Protocol."""
        length = {"inference-header-content-length": str(len(self._binary_header()))} if self.binary else {}
        return self.plain_headers() | length

    def _binary_header(self) -> bytes:
        size = {"binary_data_size": 4 * int(np.prod(IMAGE))}
        return _json({"inputs": [{"name": "x", "shape": [1, *IMAGE], "datatype": "FP32", "parameters": size}]})

    def _oip_inputs(self, at: int) -> list[dict[str, object]]:
        types = {"float32": "FP32", "int64": "INT64"}
        return [
            {"name": name, "shape": [1, rows.shape[1]], "datatype": types[rows.dtype.name], "data": rows[at].tolist()}
            for name, rows in self.feed().items()
        ]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


WORKLOADS = {
    "A": Workload("A", "mlp", "tiny MLP, JSON, one row a request", paths.MLP, (1, 16, 64), 16),
    "B": Workload("B", "minilm", "MiniLM, 32 token ids, JSON, one row a request", paths.MINILM, (1, 16, 64), 4),
    "C": Workload("C", "image", "image of 3x224x224 FP32, binary, one a request", paths.IMAGE, (1, 8), 1),
}


def session(model: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Opens a model as every server here does: CPU, a fixed number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@cache
def expected_rows(key: str) -> np.ndarray:
    """Returns the right outputs of a workload's rows; computed once, then read from `.bench/`."""
    workload = WORKLOADS[key]
    kept = workload.model.with_suffix(".expected.npy")
    if not kept.exists() or kept.stat().st_mtime < workload.model.stat().st_mtime:
        np.save(kept, session(workload.model).run(None, workload.feed())[0])
    return np.load(kept)
