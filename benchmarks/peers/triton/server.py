"""Triton: the C++ `tritonserver` that nvidia-pytriton carries, with a Python model behind it (model.py).

That distribution has no ONNX Runtime backend, so the model runs in Triton's Python backend: figures of this peer are
those of Triton's C++ front end with a Python model behind it. Workload B gets two instances of one thread.
"""

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: {size}
dynamic_batching {{ }}
instance_group [ {{ count: {count}, kind: KIND_CPU }} ]
parameters: {{ key: "model", value: {{ string_value: "{path}" }} }}
"""
A = """
input [ { name: "x", data_type: TYPE_FP32, dims: [ 16 ] } ]
output [ { name: "y", data_type: TYPE_FP32, dims: [ 4 ] } ]
"""
B = """
input [
  { name: "input_ids", data_type: TYPE_INT64, dims: [ -1 ] },
  { name: "attention_mask", data_type: TYPE_INT64, dims: [ -1 ] }
]
output [ { name: "embedding", data_type: TYPE_FP32, dims: [ 384 ] } ]
"""

C = """
input [ { name: "x", data_type: TYPE_FP32, dims: [ 3, 224, 224 ] } ]
output [ { name: "y", data_type: TYPE_FP32, dims: [ 3 ] } ]
"""
MODELS = {"A": ("mlp", 32, 1, A), "B": ("minilm", 16, 2, B), "C": ("image", 8, 1, C)}
"""Name, rows of a batch, instances and tensors."""


def make_backends(where: Path, home: Path) -> None:
    """Lays out the backend directory: the Python backend with the stub of our Python version beside it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = where / "python"
    python.mkdir(parents=True)
    for found in [*(home / "backends" / "python").iterdir(), *(home / "python_backend_stubs" / version).iterdir()]:
        (python / found.name).symlink_to(found)


def make_repository(where: Path, workload: str, path: str) -> None:
    """Lays out Triton's model repository with one model."""
    name, size, count, tensors = MODELS[workload]
    model = where / name
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(CONFIG.format(name=name, size=size, count=count, path=path) + tensors)
    shutil.copy(Path(__file__).with_name("model.py"), model / "1" / "model.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", choices=["A", "B", "C"], required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--grpc-port", type=int, help="gRPC too, here; else none")
    given = parser.parse_args()
    package = importlib.util.find_spec("pytriton")
    home = Path(package.origin).resolve().parent / "tritonserver"
    work = Path(tempfile.mkdtemp(prefix="triton-"))
    make_backends(work / "backends", home)
    make_repository(work / "models", given.workload, given.model)
    binary = home / "bin" / "tritonserver"
    command = [
        str(binary),
        f"--model-repository={work / 'models'}",
        f"--backend-directory={work / 'backends'}",
        "--http-address=127.0.0.1",
        f"--http-port={given.port}",
        *(
            ["--grpc-address=127.0.0.1", f"--grpc-port={given.grpc_port}"]
            if given.grpc_port
            else ["--allow-grpc=false"]
        ),
        "--allow-metrics=true",
        f"--metrics-port={given.port + 1}",
        "--log-info=false",
    ]
    # The stub embeds Python, which finds its packages through the first python3 on the path.
    search = f"{Path(sys.executable).absolute().parent}:{os.environ.get('PATH', '')}"
    environment = dict(os.environ, PATH=search)
    os.execve(binary, command, environment)


if __name__ == "__main__":
    main()
