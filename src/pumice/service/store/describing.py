"""What a source is that somebody pushes: its files, and what is known of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pumice.domain.errors import BadArtefact, PumiceError
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature
from pumice.engines.registry import engine_class
from pumice.engines.safety import check_external_data, refuse_unsafe
from pumice.engines.source import BESIDE_SUFFIX, MANIFEST_NAME, resolve_source, resolve_stored
from pumice.service.store.code import Archived, files_of_class, with_code
from pumice.service.store.inspecting import signature_of_code, signature_of_file
from pumice.store.tree import SourceFile, files_of, single_file

_PYTHON = "python"
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True, slots=True)
class Described:
    """A source that may be stored.

    Attributes:
        files: Its files, ordered by path.
        entry: The file that an engine is given; empty: the whole folder.
        spec: What is known of the model; paths are relative to its folder.
        signature: The tensors that its manifest says, or else its file; None: not known without loading it.
        environment: Versions of the packages that its code imports, and ``source``: the digest of that code.
    """

    files: list[SourceFile]
    entry: str
    spec: Manifest
    signature: Signature | None = None
    environment: dict[str, str] = field(default_factory=dict)


def describe(source: str) -> Described:
    """Find the files of a source and what is known of them.

    A folder is taken whole, but for what `is_left_out` names. A file is taken with what it needs: the manifest beside
    it, the tokenizer that the manifest names, and its weights, where they lie in files of their own. A Python model is
    taken as its source code, see `pumice.engines.python.archive`.

    Args:
        source: A file, a folder, or ``module:Class``.

    Raises:
        BadArtefact: It is neither, leads out of its folder, holds a private key, or contradicts its manifest.
        BadSetting: A key of its manifest is unknown, or a value is not allowed.
        MalformedInput: A file's name cannot be kept on every system.
        UnsafeArtefact: A file may run code when it is read.
    """
    place = Path(source).expanduser().absolute()
    try:
        if place.is_dir():
            found = _folder(source, place)
        elif place.exists():
            found = _file(source, place)
        else:
            found = _code(source)
        for file in found.files:
            _refuse_key(file)
    except OSError as error:
        raise BadArtefact(source, f"it cannot be read: {error.strerror}", "mend its permissions") from None
    return found


def _folder(source: str, place: Path) -> Described:
    files = files_of(place)
    for file in files:
        refuse_unsafe(file.place)
    path, spec = _known(source, place, place / MANIFEST_NAME)
    spec = _relative(spec, place)
    if spec.format == _PYTHON:
        return _python(spec, with_code(spec.model, files, place))
    return Described(files, _inside(path, place), spec, _signature(path, spec))


def _file(source: str, place: Path) -> Described:
    beside = place.with_name(place.stem + BESIDE_SUFFIX)
    folder = place.parent
    refuse_unsafe(place)
    _, spec = _known(source, place, beside)
    spec = _relative(spec, folder)
    names = {name: single_file(folder / name, folder) for name in _needed(place, beside, spec)}
    files = sorted(names.values(), key=lambda file: file.path)
    return Described(files, place.name, spec, _signature(place, spec))


def _code(source: str) -> Described:
    _, spec = resolve_source(source)
    if spec.format != _PYTHON:
        raise BadArtefact(source, "it has no files", "give the path of a model's file or folder, or module:Class")
    return _python(msgspec.structs.replace(spec, model=source), files_of_class(source))


def _python(spec: Manifest, archived: Archived) -> Described:
    signature = spec.signature or signature_of_code(spec.model, archived.code)
    return Described(archived.files, "", spec, signature, archived.environment)


def _signature(path: Path, spec: Manifest) -> Signature | None:
    """What the manifest says, or the file; what no engine can serve is stored all the same."""
    if spec.signature is not None or not spec.format or not path.is_file():
        return spec.signature
    try:
        return engine_class(spec.format).peek(path) or signature_of_file(path, spec.format)
    except PumiceError:
        return None


def _refuse_key(file: SourceFile) -> None:
    with file.open() as stream:
        if _PRIVATE_KEY.match(stream.read(64)):
            raise BadArtefact(str(file.place), "it is a private key", "take it out of the model's folder")


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
    stored = resolve_stored(place, said.name)
    if stored is not None:
        return stored
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
