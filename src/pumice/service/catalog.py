"""The models that are served, by name and version. What is served may change at any moment of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pumice.domain.errors import ModelNotFound
from pumice.runtime.front.version import ServedVersion


class Catalog:
    """All served versions.

    Versions whose names are whole numbers stand in the order of these, others in the order in which they came. The
    last one is the newest: it answers callers that name no version.

    Args:
        versions: In the order in which they are to be listed.

    Attributes:
        closing: The server is stopping; it answers what comes but is not ready for more.
    """

    def __init__(self, versions: Iterable[ServedVersion] = ()) -> None:
        self.closing = False
        self._models: dict[str, dict[str, ServedVersion]] = {}
        self._listeners: list[Callable[[], None]] = []
        self._followers: list[Callable[[str], None]] = []
        for served in versions:
            self.put(served)

    def on_change(self, told: Callable[[], None]) -> None:
        """Have something called in the same turn of the loop in which what is served changes.

        Who remembers what it has found here forgets it then, and so need not ask again at each request.
        """
        self._listeners.append(told)

    def on_flip(self, told: Callable[[str], None]) -> None:
        """Have something called with the name of each model whose versions change, in the same turn of the loop."""
        self._followers.append(told)

    def put(self, served: ServedVersion) -> None:
        """Serve a version from now on, in the place of the one with its name and version if there is one."""
        self.flip(served.name, [*(self._models.get(served.name, {}) | {served.version: served}).values()])

    def flip(self, model: str, versions: Iterable[ServedVersion]) -> None:
        """Serve these versions of a model from now on, and no others; all at once."""
        chosen = {served.version: served for served in versions}
        if all(number.isdecimal() for number in chosen):
            chosen = {number: chosen[number] for number in sorted(chosen, key=int)}
        if chosen:
            self._models[model] = chosen
        else:
            self._models.pop(model, None)
        for told in self._listeners:
            told()
        for follow in self._followers:
            follow(model)

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

    def observed(self) -> list[ServedVersion]:
        """The versions that have something to measure: those in memory, and those that were asked before."""
        return [served for served in self.all() if not served.dormant or served.stats.requests]

    def unready(self) -> list[ServedVersion]:
        """The versions that cannot answer now; one that its next request loads is none of them."""
        return [served for served in self.all() if not served.ready and not served.dormant]

    @property
    def ready(self) -> bool:
        """Whether every version can answer, and the server is not stopping."""
        return not self.closing and not self.unready()
