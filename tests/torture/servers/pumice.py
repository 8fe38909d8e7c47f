"""The probe model under Pumice: ``python -m tests.torture.servers.pumice --port 8000 --folder EMPTY``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from pumice import Model, Signature, Tensor
from tests.torture.servers import behaviour

Arrays = Mapping[str, np.ndarray]
ROW = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("y", "FP32", [-1, 4])])
SETTINGS = {
    "models": [
        {"name": name, "source": f"tests.torture.servers.pumice:{kind}"}
        for name, kind in (("probe", "Probe"), ("probe_b", "Other"), ("probe_text", "Text"))
    ],
    "max_batch_size": behaviour.MAX_BATCH,
    "max_queue": 64,
    "timeout": 3,
    "cache_size": 1_000_000,
    "header_timeout": 2,
    "body_timeout": 2,
}


class Probe(Model):
    """Doubles, or makes trouble."""

    signature = ROW

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"y": behaviour.double(inputs["x"])}


class Other(Model):
    """Triples."""

    signature = ROW

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"y": behaviour.triple(inputs["x"])}


class Text(Model):
    """Upper-cases."""

    signature = Signature(inputs=[Tensor("text", "BYTES", [-1])], outputs=[Tensor("loud", "BYTES", [-1])])

    def predict(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return {"loud": behaviour.shout(inputs["text"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    file = given.folder / "pumice.yaml"
    file.write_text(yaml.safe_dump(SETTINGS | {"home": str(given.folder / "home")}), encoding="utf-8")
    serve = [sys.executable, "-m", "pumice", "serve", "-f", str(file), "--port", given.port, "--grpc-port", "-1"]
    os.execv(sys.executable, serve)  # noqa: S606 - it becomes the server


if __name__ == "__main__":
    main()
