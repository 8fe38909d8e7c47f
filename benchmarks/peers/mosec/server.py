"""mosec with dynamic batching and its JSON; workload B gets two workers of one thread."""

import argparse
import os
import sys

import numpy as np
import onnxruntime
from mosec import Server, Worker


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=["A", "B", "C"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    return parser.parse_args()


def load(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class RowWorker(Worker):
    def __init__(self):
        super().__init__()
        self.session = load(os.environ["PEER_MODEL"])  # inherited by the worker processes

    def forward(self, data):
        x = np.array([row["x"] for row in data], np.float32)
        return [{"output": row} for row in self.session.run(None, {"x": x})[0].tolist()]


class TokensWorker(RowWorker):
    def forward(self, data):
        feed = {name: np.array([row[name] for row in data], np.int64) for name in ("input_ids", "attention_mask")}
        return [{"output": row} for row in self.session.run(None, feed)[0].tolist()]


class ImageWorker(RowWorker):
    def deserialize(self, data):
        return np.frombuffer(data, np.float32).reshape(3, 224, 224)

    def forward(self, data):
        return [{"output": row} for row in self.session.run(None, {"x": np.stack(data)})[0].tolist()]


def main() -> None:
    given = arguments()
    os.environ["PEER_MODEL"] = given.model
    sys.argv = [sys.argv[0], "--address", "127.0.0.1", "--port", str(given.port), "--log-level", "warning"]
    server = Server()
    if given.workload == "A":
        server.append_worker(RowWorker, num=1, max_batch_size=32, max_wait_time=1, timeout=30)
    elif given.workload == "C":
        server.append_worker(ImageWorker, num=1, max_batch_size=8, max_wait_time=1, timeout=30)
    else:
        server.append_worker(TokensWorker, num=2, max_batch_size=16, max_wait_time=1, timeout=30)
    server.run()


if __name__ == "__main__":
    main()
