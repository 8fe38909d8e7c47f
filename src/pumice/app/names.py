"""Names of models on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pumice.config import ModelSettings
from pumice.domain.errors import BadSetting
from pumice.service.sources import stored_ref


def with_names(sources: Sequence[str]) -> tuple[ModelSettings, ...]:
    """Read ``[NAME=]SOURCE`` arguments.

    Raises:
        BadSetting: Two have the same name.
    """
    models: dict[str, ModelSettings] = {}
    for argument in sources:
        name, equals, source = argument.partition("=")
        if not equals:
            name, source = _name_of(argument), argument
        if name in models:
            raise BadSetting("SOURCE", repr(argument), f"names that differ; '{name}' is taken, write NAME=SOURCE")
        models[name] = ModelSettings(name=name, source=source)
    return tuple(models.values())


def _name_of(source: str) -> str:
    if ":" in source and not Path(source).exists():
        return source.rpartition(":")[2].lower()
    ref = stored_ref(source)
    if ref is not None:
        return ref.model
    path = Path(source)
    return (path.name if path.is_dir() else path.stem) or path.absolute().name
