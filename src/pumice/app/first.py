"""What a server begins with, from its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pumice.config import ModelSettings, Settings
from pumice.runtime.front.folder import remove_run_folder
from pumice.service.sources import Sources

if TYPE_CHECKING:
    from pumice.service.models import ModelsOptions


Begun = TypeVar("Begun")
"""What stands for a version whose replicas were started."""


class Declared(NamedTuple):
    """A model of the settings.

    Attributes:
        model: The model as it was given, every value filled.
        versions: The versions that its source named when the server started.
    """

    model: ModelSettings
    versions: list[ModelSettings]


def begin_first(
    settings: Settings, sources: Sources, begin: Callable[[ModelSettings], Begun]
) -> tuple[list[Declared], list[Begun]]:
    """Start all that is in memory from the start; if one cannot be, nothing is left behind.

    Args:
        settings: All settings.
        sources: Says what they name.
        begin: Starts the replicas of a version.

    Returns:
        All models, and what was started.

    Raises:
        PumiceError: A model's source or settings cannot be used.
    """
    lazy = bool(settings.memory_budget or settings.max_loaded)
    try:
        models = [settings.of_model(model) for model in settings.models]
        declared = [Declared(model, sources.expand(model)) for model in models]
        return declared, [
            begin(version)
            for model, versions in declared
            if (model.preload if model.preload is not None else not lazy)
            for version in versions
        ]
    except BaseException:
        remove_run_folder()
        raise


def models_options(settings: Settings, models: Iterable[ModelSettings]) -> ModelsOptions:
    """Limits of the models.

    Args:
        settings: All settings.
        models: Those of the models, every value filled.
    """
    from pumice.service.models import ModelsOptions, named_by

    named = named_by(models)
    return ModelsOptions(
        load_timeout=settings.load_timeout,
        max_queue=settings.max_queue,
        memory_budget=settings.memory_budget,
        max_loaded=settings.max_loaded,
        roots=(*named.roots, settings.home_path, *map(Path, settings.model_roots)),
        modules=named.modules,
        stored=named.stored,
        uploads=settings.home_path / "uploads",
        max_upload_bytes=settings.max_body_bytes,
        keep_warm=settings.keep_warm,
    )
