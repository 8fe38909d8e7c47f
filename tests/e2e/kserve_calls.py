"""What the KServe SDK's REST client gets from a server, printed as JSON: `python kserve_calls.py URL`.

It runs in a process of its own: the SDK and Triton's client register messages of the same names, and cannot be imported
together.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig  # type: ignore[import-untyped]

ROW = [[1.0, 2.0, 3.0, 4.0]]


async def v2(url: str, model: str, tensor: Any, **more: Any) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as client:
        request = InferRequest(model_name=model, request_id="r-1", infer_inputs=[tensor], **more)
        response = await client.infer(url, request, model_name=model)
        return {output.name: output.as_numpy().tolist() for output in response.outputs}


async def main(url: str) -> dict[str, Any]:
    raw = InferInput("x", [1, 4], "FP32")
    raw.set_data_from_numpy(np.array(ROW, np.float32), binary_data=True)
    told: dict[str, Any] = {
        "json": await v2(url, "double", InferInput("x", [1, 4], "FP32", data=ROW)),
        "binary": await v2(url, "double", raw),
        "text": await v2(url, "shout", InferInput("text", [2], "BYTES", data=["hi", "you"])),
    }
    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=30)) as client:
        told["live"] = await client.is_server_live(url)
        told["ready"] = await client.is_server_ready(url)
        told["model ready"] = await client.is_model_ready(url, "double")
    async with InferenceRESTClient(RESTConfig(protocol="v1", timeout=30)) as client:
        told["v1"] = await client.infer(url, {"instances": ROW}, model_name="double")
        told["v1 ready"] = await client.is_model_ready(url, "double")
        try:
            await client.infer(url, {"instances": ROW}, model_name="nobody")
        except httpx.HTTPStatusError as error:
            told["refused"] = error.response.status_code
    return told


if __name__ == "__main__":
    logging.disable()
    print(json.dumps(asyncio.run(main(sys.argv[1]))))  # noqa: T201
