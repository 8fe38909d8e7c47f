"""The operations on models, over versions that a test has made itself."""

from __future__ import annotations

from collections.abc import Iterable

from pumice.app.launcher import ReplicaLauncher
from pumice.config import ModelSettings, Settings
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.models import Models, ModelsOptions
from pumice.service.sources import Sources


def models_of(catalog: Catalog, versions: Iterable[ServedVersion] = ()) -> Models:
    """Serve these versions in a catalog."""
    settings = Settings()
    sources = Sources(settings)
    launcher = ReplicaLauncher(settings, {}, sources)
    models = Models(catalog, launcher, ModelsOptions(), settings.of_model, sources)
    for served in versions:
        local = ModelSettings(name=served.name, source="local", version=served.version)
        models.register(local, [local], [served])
    return models
