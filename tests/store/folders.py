"""Models to push, as folders, and what lies in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

MIB = 1 << 20


def model_at(folder: Path, *, size: int = 12 * MIB, seed: int = 0) -> Path:
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, size, np.uint8)
    save_file({"w": values}, folder / "model.safetensors")
    (folder / "sub" / "read me ü.md").write_text("# Notes\n")
    (folder / "empty.txt").write_bytes(b"")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop("model.sig", None)
    return found
