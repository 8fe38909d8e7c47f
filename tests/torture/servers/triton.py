"""The probe model under Triton's Python backend; run it with an interpreter that has nvidia-pytriton.

PYTHON tests/torture/servers/triton.py --port 8000 --folder EMPTY
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 8
dynamic_batching {{
  default_queue_policy {{
    max_queue_size: 64 timeout_action: REJECT allow_timeout_override: true default_timeout_microseconds: 60000000
  }}
}}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
input [ {{ name: "{input}", data_type: {kind}, dims: [ {dims} ] }} ]
output [ {{ name: "{output}", data_type: {kind}, dims: [ {dims} ] }} ]
"""
MODELS = (
    {"name": "probe", "input": "x", "output": "y", "kind": "TYPE_FP32", "dims": "4"},
    {"name": "probe_b", "input": "x", "output": "y", "kind": "TYPE_FP32", "dims": "4"},
    {"name": "probe_text", "input": "text", "output": "loud", "kind": "TYPE_STRING", "dims": "1"},
)


def lay_out(folder: Path, home: Path) -> None:
    """Make the backend's folder (with the stub of this Python beside it) and the model repository."""
    backend = folder / "backends" / "python"
    backend.mkdir(parents=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for found in [*(home / "backends" / "python").iterdir(), *(home / "python_backend_stubs" / version).iterdir()]:
        (backend / found.name).symlink_to(found)
    for model in MODELS:
        place = folder / "models" / model["name"]
        (place / "1").mkdir(parents=True)
        (place / "config.pbtxt").write_text(CONFIG.format(**model), encoding="utf-8")
        shutil.copy(HERE / "triton_model.py", place / "1" / "model.py")
        shutil.copy(HERE / "behaviour.py", place / "1" / "behaviour.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    package = importlib.util.find_spec("pytriton")
    if package is None or package.origin is None:
        parser.error("this interpreter has no pytriton: pip install nvidia-pytriton")
    home = Path(package.origin).resolve().parent / "tritonserver"
    lay_out(given.folder, home)
    # the stub embeds Python, which finds its packages through the first python3 on the path
    search = f"{Path(sys.executable).absolute().parent}:{os.environ.get('PATH', '')}"
    binary = str(home / "bin" / "tritonserver")
    command = [
        binary,
        f"--model-repository={given.folder / 'models'}",
        f"--backend-directory={given.folder / 'backends'}",
        *("--http-address=127.0.0.1", f"--http-port={given.port}"),
        *("--allow-grpc=false", "--allow-metrics=false", "--log-info=false"),
    ]
    os.execve(binary, command, dict(os.environ, PATH=search))  # noqa: S606 - it becomes the server


if __name__ == "__main__":
    main()
