"""The probe model under MLServer; run it with an interpreter that has mlserver.

PYTHON tests/torture/servers/mlserver.py --port 8000 --folder EMPTY
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROW = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
}
TEXT = {
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [{"name": "loud", "datatype": "BYTES", "shape": [-1]}],
}
MODELS = (("probe", "Probe", ROW), ("probe_b", "Other", ROW), ("probe_text", "Text", TEXT))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    settings = {
        "host": "127.0.0.1",
        "http_port": given.port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "parallel_workers": 1,
    }
    (given.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    for name, kind, signature in MODELS:
        (given.folder / name).mkdir()
        batching = {"max_batch_size": 8, "max_batch_time": 0.01} if name != "probe_text" else {}
        model = {"name": name, "implementation": f"mlserver_model.{kind}", **batching, **signature}
        (given.folder / name / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    command = str(Path(sys.executable).absolute().parent / "mlserver")
    environment = dict(os.environ, PYTHONPATH=str(given.folder))
    (given.folder / "mlserver_model.py").write_text((HERE / "mlserver_model.py").read_text(), encoding="utf-8")
    (given.folder / "behaviour.py").write_text((HERE / "behaviour.py").read_text(), encoding="utf-8")
    os.chdir(given.folder)
    os.execve(command, [command, "start", "."], environment)  # noqa: S606 - it becomes the server


if __name__ == "__main__":
    # this file is called as the package it starts
    sys.path = [place for place in sys.path if Path(place or ".").resolve() != HERE]
    main()
