"""What a load is to bring about: which versions come, and whether those that are there stay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pumice.config import ModelSettings
from pumice.domain.errors import LoadFailed, MalformedInput, ModelNotFound, SetupError, VersionNotFound
from pumice.domain.store.names import Ref
from pumice.engines.layout import numbered
from pumice.service.sources import Sources, numbered_version, stored_ref


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load is to bring about.

    Attributes:
        models: The model's settings, as they will be known.
        versions: Those of the versions that come.
        keeps_others: Whether versions that are there stay.
    """

    models: tuple[ModelSettings, ...]
    versions: tuple[ModelSettings, ...]
    keeps_others: bool


class Plans:
    """Knows the settings that models were given, and plans changes of them.

    Args:
        fill: Fills what a model's settings leave out.
        sources: Says which versions sources name.
    """

    def __init__(self, fill: Callable[[ModelSettings], ModelSettings], sources: Sources) -> None:
        self._fill = fill
        self._sources = sources
        self._own: dict[str, list[ModelSettings]] = {}
        self._current: dict[str, tuple[ModelSettings, ...]] = {}
        self._followed: dict[str, dict[Ref, str]] = {}

    def declare(self, model: ModelSettings) -> None:
        """Remember a model of the operator's."""
        self._own.setdefault(model.name, []).append(model)
        self._now(model.name, tuple(self._own[model.name]))

    def declare_current(self, name: str, plan: Plan) -> None:
        """Remember what a model is now."""
        others = [old for old in self._current.get(name, ()) if plan.keeps_others]
        new = {model.version for model in plan.models}
        self._now(name, (*(old for old in others if old.version not in new), *plan.models))

    def forget(self, name: str) -> None:
        """Forget what a model was; the operator's settings of it stay."""
        self._current.pop(name, None)
        self._followed.pop(name, None)

    def followed(self) -> Mapping[str, Collection[Ref]]:
        """Names of the models whose sources are aliases of the store, with these."""
        return self._followed

    async def renewed(self, name: str, pointed: Mapping[Ref, int]) -> list[ModelSettings]:
        """What a model's sources name now.

        Args:
            name: Name of the model.
            pointed: Aliases with the versions that they point to.

        Raises:
            PumiceError: A version has another number than was asked for, or a folder of versions cannot be read.
        """
        found: list[ModelSettings] = []
        followed = self._followed.get(name, {})
        for model in self._current.get(name, ()):
            ref = next((ref for ref, source in followed.items() if source == model.source), None)
            number = None if ref is None else pointed.get(ref)
            if ref is not None and number is not None:
                found.append(numbered_version(model, ref.model, number))
            else:
                found += await asyncio.to_thread(self._sources.expand, model)
        return found

    def _now(self, name: str, models: tuple[ModelSettings, ...]) -> None:
        """Remember what a model is now, and what it follows."""
        self._current[name] = models
        refs = ((stored_ref(model.source), model.source) for model in models)
        aliases = {ref: source for ref, source in refs if ref is not None and ref.alias}
        self._followed.pop(name, None)
        if aliases:
            self._followed[name] = aliases

    def own_settings(self, name: str) -> ModelSettings | None:
        """The operator's own settings of a model."""
        own = self._own.get(name)
        return own[-1] if own else None

    def plan(self, name: str, changes: Mapping[str, object], known: Sequence[str]) -> Plan:
        """Plan a load. Looks at folders, so it is not for the event loop.

        Args:
            name: Name of the model.
            changes: Keys of its settings that are given.
            known: Names of all models that are known.

        Raises:
            ModelNotFound: No source is given, and none is known.
            MalformedInput: It does not say which version is meant.
            LoadFailed: A version that is asked for is not there.
        """
        base = tuple(self._own.get(name, ())) or self._current.get(name, ())
        version = str(changes.get("version", ""))
        if "source" in changes:
            models = [self._with_source(name, base, changes, version)]
        elif not base:
            raise ModelNotFound(name, known=tuple(known))
        else:
            models = [self._changed(model, changes) for model in self._meant(name, base, version)]
        try:
            versions = [settings for model in models for settings in self._sources.expand(model)]
        except (SetupError, VersionNotFound) as error:
            raise LoadFailed(name, error.message) from None
        return Plan(tuple(models), tuple(versions), keeps_others=bool(version))

    def _with_source(
        self, name: str, base: Sequence[ModelSettings], changes: Mapping[str, object], version: str
    ) -> ModelSettings:
        there = {model.version: model for model in (*base, *self._current.get(name, ()))}
        if not version and len(there) > 1 and not numbered(Path(str(changes["source"])).expanduser()):
            names = ", ".join(there)
            raise MalformedInput("parameter 'config'", f"model '{name}' has versions {names}; name the 'version'")
        old = there.get(version) or (base[-1] if base else ModelSettings(name=name, source=""))
        return self._changed(old, changes)

    def _meant(self, name: str, base: Sequence[ModelSettings], version: str) -> list[ModelSettings]:
        """The models whose versions are loaded again."""
        if not version:
            return list(base)
        for model in (*base, *self._current.get(name, ())):
            if version == model.version or version in numbered(Path(model.source).expanduser()):
                return [model]
        raise ModelNotFound(name, version, known=tuple(model.version for model in base))

    def _changed(self, model: ModelSettings, changes: Mapping[str, object]) -> ModelSettings:
        given = msgspec.to_builtins(model) | dict(changes)
        if "version" in changes and numbered(Path(str(given["source"])).expanduser()):
            given["versions"] = [changes["version"]]
        return self._fill(msgspec.convert(given, ModelSettings))
