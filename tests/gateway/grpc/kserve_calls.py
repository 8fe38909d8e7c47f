"""What the KServe SDK's gRPC client gets from a server, printed as JSON: `python kserve_calls.py HOST:PORT`.

It runs in a process of its own: the SDK and Triton's client register messages of the same names, and cannot be imported
together.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest  # type: ignore[import-untyped]

ROW = [[1.0, 2.0, 3.0, 4.0]]


def raw(name: str, datatype: str, array: np.ndarray) -> Any:
    tensor = InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def typed(name: str, datatype: str, array: np.ndarray) -> Any:
    return InferInput(name, list(array.shape), datatype, data=array.ravel().tolist())


async def outputs(client: Any, model: str, *tensors: Any) -> dict[str, list[Any]]:
    response = await client.infer(InferRequest(model_name=model, request_id="r-1", infer_inputs=list(tensors)))
    assert (response.id, response.model_name, response.model_version) == ("r-1", model, "1")
    return {output.name: output.as_numpy().tolist() for output in response.outputs}


async def refusal(client: Any) -> str:
    try:
        await outputs(client, "nobody", typed("x", "FP32", np.array(ROW)))
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def main(address: str) -> dict[str, Any]:
    row = np.array(ROW, np.float32)
    text = np.array([b"hi", b"you"], dtype=object)
    async with InferenceGRPCClient(address) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model ready": await client.is_model_ready("doubler"),
            "typed": await outputs(client, "doubler", typed("x", "FP32", row)),
            "raw": await outputs(client, "doubler", raw("x", "FP32", row)),
            "half": await outputs(
                client,
                "mixed",
                raw("half", "FP16", np.array([[0.5, 2]], np.float16)),
                raw("long", "INT64", np.array([2**62])),
                raw("flag", "BOOL", np.array([[True, False]])),
                raw("double", "FP64", np.ones((1, 2, 2))),
            ),
            "typed text": await outputs(client, "shout", InferInput("text", [2], "BYTES", data=["hi", "you"])),
            "raw text": await outputs(client, "shout", raw("text", "BYTES", text)),
            "refused": await refusal(client),
        }


if __name__ == "__main__":
    logging.disable()
    told = asyncio.run(main(sys.argv[1]))
    print(json.dumps(told, default=lambda item: item.decode()))  # noqa: T201
