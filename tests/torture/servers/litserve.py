"""The probe model under LitServe, behind a path and bodies as the Open Inference Protocol has them.

LitServe does not speak the protocol itself: this adapter reads and writes its JSON, so that what the server does with
its workers can be probed. Run it with an interpreter that has litserve:

    PYTHON tests/torture/servers/litserve.py --port 8000 --folder EMPTY
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
# this file is called as the package it needs
sys.path = [place for place in sys.path if Path(place or ".").resolve() != HERE]
litserve = import_module("litserve")
sys.path.append(str(HERE))
behaviour = import_module("behaviour")


class Probe(litserve.LitAPI):  # type: ignore[misc,name-defined]
    """One row a request; LitServe joins them."""

    model = "probe"

    def setup(self, device: str) -> None:
        self.deed = {"probe": behaviour.double, "probe_b": behaviour.triple}[self.model]

    # LitServe reads the annotation: without one the body is JSON
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        tensor = request["inputs"][0]
        return np.asarray(tensor["data"], np.float32).reshape(4)

    def batch(self, inputs: list[Any]) -> Any:
        return np.stack(inputs)

    def predict(self, x: Any) -> Any:
        return self.deed(x)

    def unbatch(self, output: Any) -> list[Any]:
        return list(output)

    def encode_response(self, output: Any) -> dict[str, Any]:
        tensor = {"name": "y", "datatype": "FP32", "shape": [1, len(output)], "data": output.tolist()}
        return {"model_name": self.model, "outputs": [tensor]}


class Other(Probe):
    """Triples."""

    model = "probe_b"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    apis = [
        kind(max_batch_size=behaviour.MAX_BATCH, batch_timeout=0.01, api_path=f"/v2/models/{kind.model}/infer")
        for kind in (Probe, Other)
    ]
    server = litserve.LitServer(apis, accelerator="cpu", workers_per_device=1, timeout=3, restart_workers=True)
    server.run(host="127.0.0.1", port=given.port, generate_client_file=False, num_api_servers=1)


if __name__ == "__main__":
    main()
