"""Find the engine of a model and load the model with it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from pumice.domain.errors import BadArtefact, BadSetting
from pumice.domain.model import Manifest
from pumice.engines.base import Engine, EngineConfig
from pumice.engines.discovery import GROUP, Declared, engines_by_metadata, engines_in_files
from pumice.engines.safety import refuse_unsafe


def load_engine(config: EngineConfig) -> Engine:
    """Load a model with the engine that its manifest names, or else with the first that takes it.

    Raises:
        BadArtefact: No engine takes the source, or the file cannot be used.
        BadSetting: The manifest names an unknown engine, or a setting is not possible here.
        MissingDependency: The engine's library is not installed.
        UnsafeArtefact: The file may run code when it is read.
    """
    path = Path(config.path) if config.path else None
    engine = find_engine(config.source, path, config.manifest)
    if path is not None and not engine.runs_code:
        refuse_unsafe(path)
    return engine(config)


def engine_class(name: str) -> type[Engine]:
    """Import the engine of this name, and no other.

    Raises:
        BadSetting: No installed package declares it, or it cannot be imported.
    """
    declared = engines_in_files()
    if name not in declared:
        declared = engines_by_metadata()
    if name not in declared:
        known = ", ".join(declared) or "none: is Pumice installed?"
        raise BadSetting("manifest 'format'", repr(name), f"the installed engines ({known})")
    return _import(name, declared[name])


def find_engine(source: str, path: Path | None, manifest: Manifest) -> type[Engine]:
    """Find the engine of a source: the one that the manifest names, or else the first that takes it.

    Pumice's own engines are asked first, then the others by name.

    Args:
        source: What the user named.
        path: The model's file or folder, or None where the source is none.
        manifest: What is known of the model.

    Raises:
        BadArtefact: No engine takes the source.
        BadSetting: The manifest names an unknown engine, or one that cannot be imported.
    """
    if manifest.format:
        return engine_class(manifest.format)
    found = engine_that_takes(source, path)
    if found is None:
        raise BadArtefact(
            str(path or source),
            "no installed engine takes it",
            f"name one as 'format' in its manifest, or convert it; {_offers()}",
        )
    return found


def engine_that_takes(source: str, path: Path | None) -> type[Engine] | None:
    """Return the first engine that takes a source, or None; engines after it are not imported.

    Raises:
        BadSetting: An engine cannot be imported.
    """
    return _first(engines_in_files(), source, path) or _first(engines_by_metadata(), source, path)


def installed_engines() -> list[type[Engine]]:
    """Import all engines that the installed packages declare, Pumice's own first; slow.

    Raises:
        BadSetting: An engine cannot be imported.
    """
    return [_import(name, value) for name, value in engines_by_metadata().items()]


def _first(declared: Declared, source: str, path: Path | None) -> type[Engine] | None:
    classes = (_import(name, value) for name, value in declared.items())
    return next((engine for engine in classes if engine.takes(source, path)), None)


def _offers() -> str:
    offers = [f"{engine.name} ({', '.join(engine.suffixes) or 'no files'})" for engine in installed_engines()]
    return f"installed engines: {'; '.join(offers) or 'none'}"


def _import(name: str, value: str) -> type[Engine]:
    module, _, attribute = value.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadSetting(
            f"engine '{name}'", f"the entry point '{value}' ({error})", f"an Engine class in group '{GROUP}'"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Engine)):
        raise BadSetting(f"engine '{name}'", f"the entry point '{value}'", f"an Engine class in group '{GROUP}'")
    return found
