"""What a server begins with, from its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pumice.config import ModelSettings, Settings
from pumice.engines.layout import expand_versions
from pumice.runtime.front.folder import remove_run_folder

if TYPE_CHECKING:
    from pumice.service.models import ModelsOptions


Begun = TypeVar("Begun")
"""What stands for a version whose replicas were started."""


def _first_versions(settings: Settings, models: list[ModelSettings]) -> list[ModelSettings]:
    """The versions that are in memory from the start.

    Args:
        settings: All settings.
        models: Those of the models, every value filled.

    Raises:
        SetupError: A model's source cannot be used.
    """
    lazy = bool(settings.memory_budget or settings.max_loaded)
    return [
        version
        for model in models
        if (model.preload if model.preload is not None else not lazy)
        for version in expand_versions(model)
    ]


def begin_first(
    settings: Settings, models: list[ModelSettings], begin: Callable[[ModelSettings], Begun]
) -> list[Begun]:
    """Start all that is in memory from the start; if one cannot be, nothing is left behind.

    Args:
        settings: All settings.
        models: Those of the models, every value filled.
        begin: Starts the replicas of a version.

    Raises:
        SetupError: A model's source or settings cannot be used.
    """
    try:
        return [begin(version) for version in _first_versions(settings, models)]
    except BaseException:
        remove_run_folder()
        raise


def models_options(settings: Settings, models: list[ModelSettings]) -> ModelsOptions:
    """Limits of the models.

    Args:
        settings: All settings.
        models: Those of the models, every value filled.
    """
    from pumice.service.models import ModelsOptions, roots_of

    roots, modules = roots_of(models)
    return ModelsOptions(
        load_timeout=settings.load_timeout,
        max_queue=settings.max_queue,
        memory_budget=settings.memory_budget,
        max_loaded=settings.max_loaded,
        roots=(*roots, settings.home_path, *map(Path, settings.model_roots)),
        modules=modules,
        uploads=settings.home_path / "uploads",
        max_upload_bytes=settings.max_body_bytes,
    )
