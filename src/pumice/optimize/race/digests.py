"""Digests by which inputs and files are known again."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from pumice.__about__ import __version__
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.race.plan import Plan

_LIBRARIES = ("onnxruntime", "onnx", "numpy", "tokenizers", "torch", "openvino")


def folder_digest(folder: Path) -> str:
    """SHA-256 in hex of the names and contents of all files in a folder."""
    whole = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{_file_digest(file)}  {file.relative_to(folder).as_posix()}\n".encode())
    return whole.hexdigest()


def model_digest(folder: ModelFolder) -> str:
    """SHA-256 in hex of the files that make a model, whatever else lies beside them."""
    files = [*folder.weight_files, *([folder.path / folder.manifest.tokenizer] if folder.manifest.tokenizer else [])]
    whole = hashlib.sha256(msgspec.json.encode(folder.manifest))
    for file in files:
        whole.update(f"{_file_digest(file)}  {file.relative_to(folder.path).as_posix()}\n".encode())
    return whole.hexdigest()


def plan_key(plan: Plan, machine: Mapping[str, str]) -> str:
    """Name of a run: equal only if everything is equal on which its results depend.

    Args:
        plan: What is asked for.
        machine: What latencies are measured on.
    """
    said: dict[str, Any] = {
        "pumice": __version__,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "machine": dict(machine),
        "source": model_digest(plan.source),
        "data": plan.examples.digest,
        "candidates": [[candidate.name, candidate.recipe] for candidate in plan.candidates],
        "judge": [f"{type(plan.judge).__module__}.{type(plan.judge).__qualname__}", plan.judge.definition],
        "judge_digest": plan.judge_digest,
        "strict_slices": plan.strict_slices,
        "settings": [plan.seed, plan.max_drop, plan.confidence, plan.objective, plan.timing, plan.block],
    }
    return hashlib.sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()[:32]


def _file_digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
