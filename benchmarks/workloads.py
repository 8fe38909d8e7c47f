"""The two workloads: what is sent, and what a right answer holds.

A: a tiny ONNX MLP, one row of 16 floats a request. B: MiniLM in ONNX, one row of 32 token ids a request. JSON both.
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


@dataclass(frozen=True)
class Workload:
    """One workload.

    Attributes:
        key: `A` or `B`.
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

    def feed(self) -> dict[str, np.ndarray]:
        """Returns all rows, by input."""
        rng = np.random.default_rng(20)
        if self.key == "A":
            return {"x": rng.standard_normal((ROWS, 16)).astype(np.float32).round(4)}
        ids = rng.integers(1000, 29000, (ROWS, TOKENS))
        ids[:, 0], ids[:, -1] = 101, 102
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    def expected(self) -> np.ndarray:
        """Returns the right outputs, one row each, as ONNX Runtime gives them without any server."""
        return expected_rows(self.key)

    def plain_bodies(self) -> tuple[bytes, ...]:
        """Returns the rows as a hand-written service takes them: `{"x": [...]}`."""
        feed = self.feed()
        return tuple(_json({name: rows[at].tolist() for name, rows in feed.items()}) for at in range(ROWS))

    def oip_bodies(self) -> tuple[bytes, ...]:
        """Returns the rows in the Open Inference Protocol."""
        return tuple(_json({"inputs": self._oip_inputs(at)}) for at in range(ROWS))

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
