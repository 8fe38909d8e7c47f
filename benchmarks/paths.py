"""Where the benchmarks keep what they make: all of it under `.bench/`, which git ignores."""

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
MINILM = MODELS / "minilm.onnx"


def peer_python(peer: str) -> Path:
    """Returns the interpreter of a peer's own virtual environment."""
    return VENVS / peer / "bin" / "python"


def pumice_command() -> Path:
    """Returns the `pumice` command beside the interpreter that runs the benchmark."""
    return Path(sys.executable).parent / "pumice"
