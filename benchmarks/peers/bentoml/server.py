"""BentoML with one worker.

Its own endpoints take bytes as a part of a form, by way of a file; a route of a mounted application, which its
documentation shows for all that they do not do, reads them several times as quickly.
"""

import argparse
import os
import sys
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

IMAGE = (1, 3, 224, 224)


def load(path: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


async def predict(request: Request) -> JSONResponse:
    x = np.frombuffer(await request.body(), np.float32).reshape(IMAGE)
    (y,) = bentoml.get_current_service().session.run(None, {"x": x})
    return JSONResponse({"output": y[0].tolist()})


@bentoml.asgi_app(Starlette(routes=[Route("/predict", predict, methods=["POST"])]), path="/")
@bentoml.service(workers=1, traffic={"timeout": 30}, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Image:
    def __init__(self) -> None:
        self.session = load(os.environ["PEER_MODEL"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=["C"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    os.environ |= {"PEER_MODEL": given.model, "BENTOML_DO_NOT_TRACK": "true"}
    here = Path(__file__).resolve().parent
    options = ["--working-dir", str(here), "--host", "127.0.0.1", "--port", str(given.port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", "server:Image", *options])


if __name__ == "__main__":
    main()
