"""The signature of a model that must be loaded to know it: loaded in a confined process, so far as that is cheap."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pumice.config import load_settings
from pumice.domain.errors import PumiceError
from pumice.domain.signature import Signature
from pumice.environment import of_replicas
from pumice.runtime.confined import Limits, Work, missing, run_confined
from pumice.store.tree import SourceFile

LARGEST = 256 << 20
"""A larger model is not loaded for this (bytes)."""

_LIMITS = Limits(seconds=60, memory=2 << 30, written=1 << 20, files=100)
_MODULE = "pumice.engines.inspection"
_LOADED = {"sklearn": ("sklearn", "skops.io", "threadpoolctl")}


def signature_of_code(reference: str, code: Sequence[SourceFile]) -> Signature | None:
    """Import a class from nothing but its own code, and read its signature.

    Returns:
        The signature; None if the class has none before it is loaded, cannot be imported here, or the system cannot
        confine it.
    """
    with tempfile.TemporaryDirectory(prefix="pumice-code-") as folder:
        for file in code:
            target = Path(folder) / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.place, target)
        return _asked(f"{_MODULE}:signature_of_class", Path(folder), {"reference": reference}, ("pumice",))


def signature_of_file(path: Path, engine: str) -> Signature | None:
    """Load a model that runs no code of its own, and read its signature.

    Returns:
        The signature; None for engines whose models take long or run code, for large models, and if it cannot be
        loaded.
    """
    if engine not in _LOADED or path.stat().st_size > LARGEST:
        return None
    return _asked(f"{_MODULE}:signature_of_model", path, {"engine": engine}, _LOADED[engine])


def _asked(function: str, source: Path, arguments: dict[str, object], libraries: tuple[str, ...]) -> Signature | None:
    if missing():
        return None
    with tempfile.TemporaryDirectory(prefix="pumice-asked-") as out:
        work = Work(function, source, Path(out), arguments, libraries, (str(load_settings({}).home_path),))
        try:
            told = run_confined(work, _LIMITS, of_replicas(), lambda _: None)
            return msgspec.convert(told, Signature | None)
        except (PumiceError, msgspec.ValidationError):
            return None
