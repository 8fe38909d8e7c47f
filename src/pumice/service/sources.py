"""What the source of a model names: a path, ``module:Class``, or a version in the model store.

A path that exists is a path, whatever it is called; then comes ``module:Class``; what is left and may be the name of a
stored model is a reference to the store. The store is opened for those alone, since it brings SQLAlchemy along.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pumice.config import ModelSettings, Settings
from pumice.domain.errors import BadArtefact, BadSetting, VersionNotFound
from pumice.domain.model import Manifest, parse_manifest
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.names import Ref, parse_ref
from pumice.domain.store.records import VersionRecord
from pumice.engines.layout import expand_versions
from pumice.engines.python.lookup import is_reference
from pumice.engines.registry import find_engine
from pumice.engines.source import resolve_source
from pumice.runtime.memory import keep_from_disk

if TYPE_CHECKING:
    from pumice.service.store import Store
    from pumice.service.store.holding import HeldVersion
    from pumice.service.store.watching import StoreWatch

_UNCHOSEN = "1"
"""What a model's settings have as version if nobody chose one."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where a model's files are, and what is known of it.

    Attributes:
        path: The model's file or folder; inside ``held`` if it is stored; None if it has none.
        manifest: What is known of the model; of a stored one, paths of its files are relative to its folder.
        held: Its files in memory, if it is stored; who took it closes it.
    """

    path: Path | None
    manifest: Manifest
    held: HeldVersion | None = None

    def close(self) -> None:
        """Give back what is held."""
        if self.held is not None:
            self.held.close()


class Sources:
    """Finds what sources name. Its methods look at files and may read the database, so they are not for an event loop.

    Args:
        settings: All settings; where the store is, whom it trusts and what opens it are among them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def expand(self, settings: ModelSettings) -> list[ModelSettings]:
        """Say which versions a model's source names now: of the store one, with its number; of a folder those chosen.

        Raises:
            BadArtefact: A version that is asked for is not there, or there is nothing of this name.
            BadSetting: A stored version was given another number than its own.
            VersionNotFound: The store has no such version.
            StorageFailed: The store cannot be read.
        """
        ref = stored_ref(settings.source)
        if ref is None:
            return expand_versions(settings)
        with self._store() as store:
            record = stored_version(store, settings.source, ref)
        return [numbered_version(settings, record.model, record.version)]

    def look(self, settings: ModelSettings) -> Located:
        """Say what is known of a model, without reading its files.

        Raises:
            SetupError: It cannot be used.
            Tampered: The manifest of a stored version has changed.
            VersionNotFound: The store has no such version.
        """
        ref = stored_ref(settings.source)
        if ref is None:
            return Located(*resolve_source(settings.source, settings.manifest))
        with self._store() as store:
            stored_version(store, settings.source, ref)
            manifest = store.show(settings.source, unseal=True).manifest
        return Located(*_described(settings, manifest))

    def locate(self, settings: ModelSettings) -> Located:
        """Find a model's files; those of a stored version are read into memory, and checked.

        Raises:
            SetupError: It cannot be used.
            Tampered: Stored bytes have changed.
            VersionNotFound: The store has no such version.
            StorageFailed: The store cannot be read, or there is no memory.
        """
        if stored_ref(settings.source) is None:
            return self.look(settings)
        with self._store() as store:
            shown = store.show(settings.source, unseal=True)
            _described(settings, shown.manifest)  # what cannot be served need not be read
            held = store.hold(settings.source, served_as=settings.name)
        if held.sealed:
            keep_from_disk()
        return Located(*_described(settings, held.manifest), held)

    def watch(self) -> StoreWatch:
        """Make what looks at the aliases of the store."""
        from pumice.db import Place
        from pumice.service.store.watching import StoreWatch

        return StoreWatch(Place(self._settings.home_path, self._settings.database))

    def _store(self) -> Store:
        from pumice.service.store import Store

        return Store(settings=self._settings)


def numbered_version(settings: ModelSettings, model: str, number: int) -> ModelSettings:
    """Settings of a stored version, from those of a model whose source names it in some way.

    Raises:
        BadSetting: It was given another number than its own.
    """
    if settings.version not in (_UNCHOSEN, str(number)):
        key = f"model '{settings.name}': 'version'"
        raise BadSetting(key, repr(settings.version), f"{number}, the number that it has in the store")
    return msgspec.structs.replace(settings, source=str(Ref(model, number)), version=str(number))


def stored_ref(source: str) -> Ref | None:
    """Read a source as a reference to the store, if it is one: it names no path that exists, and no Python class."""
    if is_reference(source) or Path(source).expanduser().exists():
        return None
    try:
        return parse_ref(source)
    except BadSetting:
        return None


def stored_version(store: Store, source: str, ref: Ref) -> VersionRecord:
    """Find the version that a source refers to.

    Args:
        store: The store.
        source: What the user gave; `stored_ref` has read it.
        ref: What was read.

    Raises:
        VersionNotFound: A version or an alias was named that is not there.
        BadArtefact: A name alone was given, and there is no model of it; it may as well have been meant as a path.
    """
    try:
        return store.find(source)
    except VersionNotFound as error:
        if ref.version is not None or ref.alias:
            raise
        raise BadArtefact(
            source,
            "there is no such file or folder, and no model of this name in the store",
            "give a path that exists, module:Class for a Python model, or a stored model "
            f"({', '.join(error.known) or 'the store is empty'})",
        ) from None


def _described(settings: ModelSettings, stored: VersionManifest) -> tuple[Path, Manifest]:
    """What is known of a stored version, by its manifest and the user's own keys; they win."""
    given = settings.manifest
    manifest = parse_manifest(msgspec.to_builtins(stored.spec) | given, "the manifest")
    entry = stored.entry
    files = {file.path for file in stored.files}
    if "model" in given and not is_reference(manifest.model):
        entry = manifest.model
    if manifest.tokenizer and not Path(manifest.tokenizer).is_absolute() and manifest.tokenizer not in files:
        raise BadArtefact(settings.source, f"it has no file '{manifest.tokenizer}'", "mend 'tokenizer'")
    if entry and entry not in files:
        raise BadArtefact(settings.source, f"it has no file '{entry}'", "mend 'model'")
    path = Path(entry)
    engine = find_engine(settings.source, path, manifest)
    return path, msgspec.structs.replace(manifest, format=engine.name)
