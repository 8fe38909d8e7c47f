"""What a model says of itself once it is loaded; only ever called in a confined process, by who stores it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.model import Manifest
from pumice.domain.signature import Signature
from pumice.engines.base import EngineConfig
from pumice.engines.registry import load_engine


def signature_of_class(source: str, out: str, *, reference: str) -> Any:
    """Import a class and read its signature; no object of it is made.

    Args:
        source: Folder with its code.
        out: Not used.
        reference: ``module:Class``.

    Returns:
        The signature in JSON's types, or None if the class itself has none.
    """
    from pumice.engines.python.lookup import find_class

    del out
    found = getattr(find_class(reference, Path(source)), "signature", None)
    return msgspec.to_builtins(found) if isinstance(found, Signature) else None


def signature_of_model(source: str, out: str, *, engine: str) -> Any:
    """Load a model and read its signature.

    Args:
        source: Its file.
        out: Not used.
        engine: The engine's name.

    Returns:
        The signature in JSON's types.
    """
    del out
    config = EngineConfig(source=source, path=source, manifest=Manifest(format=engine))
    return msgspec.to_builtins(load_engine(config).signature)
