"""FastAPI and ONNX Runtime the usual way: an async endpoint, pydantic models, `session.run` in the event loop.

Workload B gets two processes of one thread (`--workers 2`), as uvicorn's documentation advises for more cores.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel

IMAGE = (1, 3, 224, 224)


class Row(BaseModel):
    x: list[float]


class Tokens(BaseModel):
    input_ids: list[int]
    attention_mask: list[int]


class Answer(BaseModel):
    output: list[float]


def load(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def create_app() -> FastAPI:
    app = FastAPI()
    session = load(os.environ["PEER_MODEL"])

    async def predict_row(row: Row) -> Answer:
        (y,) = session.run(None, {"x": np.array([row.x], np.float32)})
        return Answer(output=y[0].tolist())

    async def predict_tokens(tokens: Tokens) -> Answer:
        feed = {
            "input_ids": np.array([tokens.input_ids], np.int64),
            "attention_mask": np.array([tokens.attention_mask], np.int64),
        }
        (embedding,) = session.run(None, feed)
        return Answer(output=embedding[0].tolist())

    async def predict_image(request: Request) -> Answer:
        x = np.frombuffer(await request.body(), np.float32).reshape(IMAGE)
        (y,) = session.run(None, {"x": x})
        return Answer(output=y[0].tolist())

    endpoints = {"A": predict_row, "B": predict_tokens, "C": predict_image}
    app.post("/predict")(endpoints[os.environ["PEER_WORKLOAD"]])
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=["A", "B", "C"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    os.environ.update(PEER_MODEL=given.model, PEER_WORKLOAD=given.workload)
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    workers = 2 if given.workload == "B" else 1
    uvicorn.run(
        "server:create_app", factory=True, app_dir=str(here), port=given.port, workers=workers, log_level="warning"
    )


if __name__ == "__main__":
    main()
