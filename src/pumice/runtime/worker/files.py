"""A stored model's files in a replica: memory that the server has filled, under the names that the model knows.

Engines take paths, so the replica's scratch folder gets one with a link for each file, to the descriptor by which this
process has it. Only names are on the disk.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pumice.protocol.frames import WorkerSpec
from pumice.runtime.memory import keep_from_disk

_FOLDER = "model"


def lay_out(spec: WorkerSpec, fds: Sequence[int]) -> WorkerSpec:
    """Make the folder of links, and let a specification point to it.

    Args:
        spec: What is to be loaded; it names its files.
        fds: Descriptors of these files, in their order; they stay open as long as the process lives.

    Returns:
        The specification, its paths absolute.
    """
    if spec.sealed:
        keep_from_disk()
    folder = Path(spec.socket).parent / _FOLDER
    folder.mkdir()
    for path, fd in zip(spec.files or (), fds, strict=True):
        os.set_inheritable(fd, False)
        link = folder / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"/proc/self/fd/{fd}")
    sys.dont_write_bytecode = True  # a model's code is not to be on the disk either
    manifest = spec.manifest
    if manifest.tokenizer:
        manifest = msgspec.structs.replace(manifest, tokenizer=str(folder / manifest.tokenizer))
    return msgspec.structs.replace(spec, path=str(folder / spec.path), manifest=manifest)
