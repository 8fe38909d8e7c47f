"""What a source is that somebody pushes: its files, and what is known of the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Manifest
from pumice.engines.safety import check_external_data, refuse_unsafe
from pumice.engines.source import BESIDE_SUFFIX, MANIFEST_NAME, resolve_source
from pumice.store.tree import SourceFile, files_of, single_file


@dataclass(frozen=True, slots=True)
class Described:
    """A source that may be stored.

    Attributes:
        files: Its files, ordered by path.
        entry: The file that an engine is given; empty: the whole folder.
        spec: What is known of the model; paths are relative to its folder.
    """

    files: list[SourceFile]
    entry: str
    spec: Manifest


def describe(source: str) -> Described:
    """Find the files of a source and what is known of them.

    A folder is taken whole. A file is taken with what it needs: the manifest beside it, the tokenizer that the manifest
    names, and its weights, where they lie in files of their own.

    Args:
        source: A file or a folder.

    Raises:
        BadArtefact: It is neither, leads out of its folder, or contradicts its manifest.
        BadSetting: A key of its manifest is unknown, or a value is not allowed.
        MalformedInput: A file's name cannot be kept on every system.
        UnsafeArtefact: A file may run code when it is read.
    """
    place = Path(source).expanduser().absolute()
    if not place.exists():
        raise BadArtefact(source, "there is no such file or folder", "give the path of a model's file or folder")
    try:
        if place.is_dir():
            refuse_unsafe(place)
            path, spec = _known(source, place, place / MANIFEST_NAME)
            return Described(files_of(place), _inside(path, place), _relative(spec, place))
        return _file(source, place)
    except OSError as error:
        raise BadArtefact(source, f"it cannot be read: {error.strerror}", "mend its permissions") from None


def _file(source: str, place: Path) -> Described:
    beside = place.with_name(place.stem + BESIDE_SUFFIX)
    folder = place.parent
    refuse_unsafe(place)
    _, spec = _known(source, place, beside)
    spec = _relative(spec, folder)
    names = {name: single_file(folder / name, folder) for name in _needed(place, beside, spec)}
    return Described(sorted(names.values(), key=lambda file: file.path), place.name, spec)


def _needed(place: Path, beside: Path, spec: Manifest) -> Iterator[str]:
    yield place.name
    if beside.exists():
        yield beside.name
    if spec.tokenizer:
        yield spec.tokenizer
    if place.suffix == ".onnx":
        yield from check_external_data(place)
    weights = place.with_suffix(".bin")
    if place.suffix == ".xml" and weights.exists():  # OpenVINO's
        yield weights.name


def _known(source: str, place: Path, said: Path) -> tuple[Path, Manifest]:
    """What an engine would be given; without a manifest, a source may be of a form that no engine here takes."""
    try:
        path, spec = resolve_source(source)
    except BadArtefact:
        if said.exists():
            raise
        return place, Manifest()
    return path or place, spec


def _inside(path: Path, folder: Path) -> str:
    return "" if path == folder else path.relative_to(folder).as_posix()


def _relative(spec: Manifest, folder: Path) -> Manifest:
    if not spec.tokenizer:
        return spec
    return msgspec.structs.replace(spec, tokenizer=Path(spec.tokenizer).relative_to(folder).as_posix())
