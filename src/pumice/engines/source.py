"""What a SOURCE names: its file, and the manifest put together from beside the file and from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Manifest, parse_manifest
from pumice.engines.discovery import engines_in_files
from pumice.engines.registry import engine_class, engine_that_takes, find_engine, installed_engines
from pumice.engines.safety import refuse_unsafe

MANIFEST_NAME = "manifest.json"
"""The manifest of a model directory."""

BESIDE_SUFFIX = ".manifest.json"
"""Ending of the manifest beside a single file: ``model.manifest.json`` beside ``model.onnx``."""


def resolve_source(source: str, overrides: Mapping[str, object] | None = None) -> tuple[Path | None, Manifest]:
    """Find what a source names and what is known of it.

    A source is a directory with a ``manifest.json`` (or with exactly one file that an engine takes), a model file with
    an optional ``<stem>.manifest.json`` beside it, or what an engine takes without a file, as ``module:Class``.

    Args:
        source: What the user named.
        overrides: Keys of the manifest that the user gave; they win over the file's. Their paths may be absolute;
            relative ones start at the model's folder (at the working directory for a source without a file).

    Returns:
        The model's file or folder, absolute, or None where there is none; and the manifest, with ``format`` filled in
        and ``tokenizer`` made absolute.

    Raises:
        BadArtefact: There is no such file, it cannot be used, or its manifest names a file outside its folder.
        BadSetting: A key of the manifest is unknown, or a value is not allowed.
        UnsafeArtefact: The file may run code when it is read.
    """
    given = dict(overrides or {})
    place = Path(source).expanduser()
    if place.is_dir():
        return _Description(place.absolute(), given).resolve(source)
    if place.exists():
        return _resolve_file(source, place.absolute(), given)
    return _resolve_name(source, given)


FORMS = frozenset({"transformers", "gguf"})
"""Forms that may be stored though no engine here runs them; serving them takes one that does."""


def resolve_stored(place: Path, name: str) -> tuple[Path, Manifest] | None:
    """Read what a manifest says of a model that no engine here runs.

    Args:
        place: The model's file or folder.
        name: Name of the manifest in that folder, or beside the file.

    Returns:
        The model's file or folder, and the manifest; None if there is no manifest, or an engine takes its format.

    Raises:
        BadArtefact: It names a file that is not there, or leads out of its folder.
        BadSetting: A key of it is unknown, or a value is not allowed.
    """
    folder = place if place.is_dir() else place.parent
    description = _Description(folder, {}, name)
    manifest = description.manifest
    if manifest.format not in FORMS or manifest.format in engines_in_files():
        return None
    path = description.inside("model", manifest.model) if manifest.model else place
    tokenizer = str(description.inside("tokenizer", manifest.tokenizer)) if manifest.tokenizer else ""
    return path, msgspec.structs.replace(manifest, tokenizer=tokenizer)


class _Description:
    """A manifest and the folder in which the files that it names lie.

    Args:
        folder: The folder.
        given: The user's own keys, which are trusted to point anywhere.
        manifest_name: The manifest's file; it need not be there.
    """

    def __init__(self, folder: Path, given: dict[str, object], manifest_name: str = MANIFEST_NAME) -> None:
        self.folder = folder
        self._given = given
        self._file = folder / manifest_name
        self._said = _read_manifest(self._file)
        self.manifest = parse_manifest(self._said | given, str(self._file) if self._said else "the manifest")

    def resolve(self, source: str) -> tuple[Path, Manifest]:
        """Find the model's file, or the folder itself where an engine takes it whole."""
        name = self.manifest.model
        if not name:
            path = self._only_model()
        elif not (self.folder / name).exists() and self._takes_without_file(name):
            path = self.folder
        else:
            path = self.inside("model", name)
        return path, self.completed(source, path)

    def completed(self, source: str, path: Path) -> Manifest:
        """Fill in the engine and make the tokenizer's path absolute."""
        if path.is_file():
            refuse_unsafe(path)  # before an engine is looked for: the way to convert says more than "none takes it"
        manifest = self.manifest
        engine = find_engine(manifest.model if path == self.folder and manifest.model else source, path, manifest)
        tokenizer = str(self.inside("tokenizer", manifest.tokenizer)) if manifest.tokenizer else ""
        return msgspec.structs.replace(manifest, format=engine.name, tokenizer=tokenizer)

    def inside(self, key: str, name: str) -> Path:
        """Follow a path of the manifest; only the user's own keys may lead out of the folder."""
        path = self.folder / name
        if key not in self._given and not path.resolve().is_relative_to(self.folder.resolve()):
            raise BadArtefact(
                str(self._file),
                f"'{key}' leads out of the folder, to {path.resolve()}",
                "copy the file into the folder",
            )
        if not path.exists():
            raise BadArtefact(str(path), "there is no such file", f"mend '{key}' in {self._file}")
        return path

    def _takes_without_file(self, name: str) -> bool:
        engine = engine_class(self.manifest.format) if self.manifest.format else engine_that_takes(name, None)
        return engine is not None and engine.takes(name, None)

    def _only_model(self) -> Path:
        if self.manifest.format and engine_class(self.manifest.format).takes(str(self.folder), self.folder):
            return self.folder
        files = sorted(entry for entry in self.folder.iterdir() if entry.is_file())
        engines = installed_engines()
        models = [file for file in files if any(engine.takes(str(file), file) for engine in engines)]
        if len(models) == 1:
            return models[0]
        if self._said:
            raise BadArtefact(str(self._file), "it names no model file", "add the key 'model'")
        for file in () if models else files:
            refuse_unsafe(file)
        found = f"{len(models)} model files ({', '.join(m.name for m in models)})" if models else "no model file"
        mend = f"add a {MANIFEST_NAME} whose 'model' names the file, or name the file itself"
        raise BadArtefact(str(self.folder), f"it has no {MANIFEST_NAME} and {found}", mend)


def _resolve_file(source: str, path: Path, given: dict[str, object]) -> tuple[Path, Manifest]:
    description = _Description(path.parent, given, path.stem + BESIDE_SUFFIX)
    name = description.manifest.model
    if name and description.inside("model", name).resolve() != path.resolve():
        raise BadArtefact(str(path), f"the manifest beside it is of '{name}'", "name that file, or mend 'model'")
    return path, description.completed(source, path)


def _resolve_name(source: str, given: dict[str, object]) -> tuple[Path | None, Manifest]:
    manifest = parse_manifest(given, "the manifest")
    engine = engine_class(manifest.format) if manifest.format else engine_that_takes(source, None)
    if engine is None or not engine.takes(source, None):
        raise BadArtefact(
            source, "there is no such file or folder", "give a path that exists, or module:Class for a Python model"
        )
    paths = {key: Path(name).absolute() for key in ("model", "tokenizer") if (name := getattr(manifest, key))}
    for key, path in paths.items():
        if not path.exists():
            raise BadArtefact(str(path), "there is no such file or folder", f"mend '{key}' of the manifest")
    tokenizer = str(paths.get("tokenizer", ""))
    return paths.get("model"), msgspec.structs.replace(manifest, format=engine.name, tokenizer=tokenizer)


def _read_manifest(file: Path) -> dict[str, object]:
    """Read a manifest; nothing if there is none."""
    try:
        data = msgspec.json.decode(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise BadArtefact(str(file), f"it cannot be read as JSON: {error}", "mend it") from None
    if not isinstance(data, dict):
        raise BadArtefact(
            str(file), f"it holds a {type(data).__name__}", "write a JSON object with the manifest's keys"
        )
    return data
