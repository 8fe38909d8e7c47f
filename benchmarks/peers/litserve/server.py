"""LitServe with its batching; workload B gets two workers of one thread."""

import argparse
from typing import Annotated

import litserve
import numpy as np
import onnxruntime
from fastapi import Body


def load(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class RowAPI(litserve.LitAPI):
    model_path = ""

    def setup(self, device):  # noqa: ARG002
        self.session = load(self.model_path)

    def decode_request(self, request):
        return np.array(request["x"], np.float32)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, x):
        return self.session.run(None, {"x": x})[0]

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"output": output.tolist()}


class TokensAPI(RowAPI):
    def decode_request(self, request):
        return np.array([request["input_ids"], request["attention_mask"]], np.int64)

    def predict(self, x):
        return self.session.run(None, {"input_ids": x[:, 0], "attention_mask": x[:, 1]})[0]


class ImageAPI(RowAPI):
    def decode_request(self, request: Annotated[bytes, Body()]):
        return np.frombuffer(request, np.float32).reshape(3, 224, 224)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=["A", "B", "C"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    kind, size, workers = {"A": (RowAPI, 32, 1), "B": (TokensAPI, 16, 2), "C": (ImageAPI, 8, 1)}[given.workload]
    api = kind(max_batch_size=size, batch_timeout=0.002)
    api.model_path = given.model
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers, fast_queue=True)
    server.run(host="127.0.0.1", port=given.port, generate_client_file=False, log_level="warning", num_api_servers=1)


if __name__ == "__main__":
    main()
