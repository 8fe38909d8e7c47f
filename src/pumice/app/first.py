"""What a server begins with, from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pumice.config import ModelSettings, Settings
from pumice.engines.layout import expand_versions

if TYPE_CHECKING:
    from pumice.service.models import ModelsOptions


def first_versions(settings: Settings, models: list[ModelSettings]) -> list[ModelSettings]:
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
