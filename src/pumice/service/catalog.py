"""The models that are served, by name and version."""

from __future__ import annotations

from collections.abc import Iterable

from pumice.domain.errors import ModelNotFound
from pumice.runtime.front.version import ServedVersion


class Catalog:
    """All served versions.

    Args:
        versions: In the order in which they are to be listed.

    Attributes:
        closing: The server is stopping; it answers what comes but is not ready for more.
    """

    def __init__(self, versions: Iterable[ServedVersion]) -> None:
        self.closing = False
        self._models: dict[str, dict[str, ServedVersion]] = {}
        for served in versions:
            self._models.setdefault(served.name, {})[served.version] = served

    def names(self) -> list[str]:
        """Names of the models."""
        return list(self._models)

    def all(self) -> list[ServedVersion]:
        """Every version of every model."""
        return [served for versions in self._models.values() for served in versions.values()]

    def versions(self, model: str) -> list[ServedVersion]:
        """The versions of a model, oldest first.

        Raises:
            ModelNotFound: There is no such model.
        """
        versions = self._models.get(model)
        if versions is None:
            raise ModelNotFound(model, known=tuple(self._models))
        return list(versions.values())

    def find(self, model: str, version: str = "") -> ServedVersion:
        """One version of a model, the newest if none is named.

        Raises:
            ModelNotFound: There is no such model, or no such version of it.
        """
        versions = self._models.get(model)
        if versions is None:
            raise ModelNotFound(model, known=tuple(self._models))
        served = versions.get(version) if version else next(reversed(versions.values()))
        if served is None:
            raise ModelNotFound(model, version, known=tuple(versions))
        return served

    def some(self, model: str = "", version: str = "") -> list[ServedVersion]:
        """One version of a model, all its versions if none is named, or everything if no model is named either.

        Raises:
            ModelNotFound: There is no such model, or no such version of it.
        """
        if not model:
            return self.all()
        return [self.find(model, version)] if version else self.versions(model)

    def only(self) -> str | None:
        """The one model's name when exactly one is served, else None."""
        return next(iter(self._models)) if len(self._models) == 1 else None

    @property
    def ready(self) -> bool:
        """Whether every version can answer, and the server is not stopping."""
        return not self.closing and all(served.ready for served in self.all())
