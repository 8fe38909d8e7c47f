"""Where the benchmarks keep what they make: all of it under `.bench/`, which git ignores."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BENCH = ROOT / ".bench"
MODELS = BENCH / "models"
VENVS = BENCH / "peers"
RESULTS = BENCH / "results"
LOGS = BENCH / "logs"
PEERS = HERE / "peers"
MLP = MODELS / "mlp.onnx"
IMAGE = MODELS / "image.onnx"
MINILM = MODELS / "minilm.onnx"
FASHION = MODELS / "fashion.onnx"
MAGIKA = MODELS / "magika.onnx"


def environment() -> dict[str, str]:
    """Returns what servers start with: compiled files are written and used, as by installed ones."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def peer_python(peer: str) -> Path:
    """Returns the interpreter of a peer's own virtual environment."""
    return VENVS / peer / "bin" / "python"


def pumice_command() -> Path:
    """Returns the `pumice` command beside the interpreter that runs the benchmark."""
    return Path(sys.executable).parent / "pumice"
