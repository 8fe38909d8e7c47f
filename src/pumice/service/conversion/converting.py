"""A conversion from beginning to end: decided, done in a confined process, checked, and put in its place."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import stat
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from pumice.__about__ import __version__
from pumice.config import load_settings
from pumice.domain.errors import BadArtefact, BadSetting, MissingDependency, PumiceError, StorageFailed, UnsafeArtefact
from pumice.engines.conversion import Converted
from pumice.engines.safety import check_external_data, check_safetensors, refuse_unsafe
from pumice.environment import of_replicas
from pumice.runtime.confined import Ended, Limits, Work, missing, run_confined
from pumice.service.conversion.deciding import ConvertWish, Plan, decide
from pumice.service.store.types import Progress
from pumice.store.tree import files_of

_ROOM = 64 << 20
_MOST_TOLD = 300


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a conversion.

    Attributes:
        source: Name of the file or folder.
        sha256: Digest of the file, in hex; of a folder: of the list of its converted files, as `sha256sum` writes it.
        kind: What it was.
        out: The result, a file or a folder.
        files: Its files.
        size: Their length (bytes).
        checked: How it was held against the original.
        notes: What is not as it was.
        enforced: What the process that read it was kept from; empty: from nothing.
        recipe: The record of it for a version's recipe.
    """

    source: str
    sha256: str
    kind: str
    out: str
    files: list[str]
    size: int
    checked: str
    notes: list[str]
    enforced: list[str]
    recipe: dict[str, Any]


ENFORCED = (
    "no network, no other process, no signal to anybody",
    "writes in its own folder alone; changes no permissions and attributes",
    "reads Python's libraries and the file alone",
    "limits of time, memory, threads and space",
)
"""What holds of a confined process."""


def convert(source: str | Path, out: str | Path | None, wish: ConvertWish, progress: Progress) -> Conversion:
    """Convert a file that may run code as it is read into one that does not.

    The file is read in a process of its own that can do next to nothing (`pumice.runtime.confined`). The result is
    looked at as any other model's file, and appears at once or not at all.

    Args:
        source: The file, or a Hugging Face folder.
        out: The result, or a folder in which it is put; beside the source if left out.
        wish: What is allowed.
        progress: Told how much is written, and of how much, roughly.

    Raises:
        BadArtefact: There is nothing to convert, it cannot be, it took too much, or something is in the way.
        BadSetting: OUT has an ending that is not possible, or this system cannot enforce the sandbox.
        MissingDependency: A library is not installed.
        StorageFailed: The result could not be written.
        UnsafeArtefact: It cannot be converted without running its code, and that is not wished.
    """
    path = Path(source).expanduser().absolute()
    if not path.exists():
        raise BadArtefact(str(source), "there is no such file or folder", "give the path of a model's file or folder")
    wanted = None if out is None else Path(out).expanduser().absolute()
    inside = wanted is not None and wanted.is_dir()
    plan = decide(path, None if inside else wanted, run_code=wish.run_code)
    name = plan.target or f"{path.name}-safetensors"
    place = path.with_name(name) if wanted is None else wanted / name if inside else wanted
    _check_system(wish)
    for library in plan.libraries:
        if find_spec(library.partition(".")[0]) is None:
            raise MissingDependency(f"converting {plan.kind}", library.partition(".")[0], plan.install)
    if place.exists() or place.is_symlink():
        raise BadArtefact(str(place), "it is there already", "take it away, or name another OUT")
    try:
        with _part(place) as part:
            return _convert(path, place, part, plan, wish, progress)
    except OSError as error:
        raise StorageFailed(str(place), error.strerror or str(error)) from error


def _convert(path: Path, place: Path, part: Path, plan: Plan, wish: ConvertWish, progress: Progress) -> Conversion:
    digests = _digests(path, plan)
    size = sum((path / name if plan.taken else path).stat().st_size for name in digests)
    limits = Limits(wish.seconds, wish.memory, written=2 * size + _ROOM)
    work = Work(plan.function, path, part, plan.arguments, plan.libraries, (str(load_settings({}).home_path),))
    try:
        told = run_confined(
            work, limits, of_replicas(), lambda done: progress(min(done, size), size), confined=not wish.unconfined
        )
    except (Ended, BadSetting):
        raise
    except PumiceError as error:
        raise (_told(path, error) if wish.run_code else error) from None
    converted = _believed(told, path, part)
    notes = [_plain(note) for note in converted.notes]
    if plan.taken:
        notes += _copy_rest(path, part, plan.taken)
    files = sorted(file.relative_to(part).as_posix() for file in part.rglob("*") if file.is_file())
    result = part if plan.taken else part / plan.target
    result.replace(place)
    digest = next(iter(digests.values())) if not plan.taken else _list_digest(digests)
    libraries = {name: _plain(version) for name, version in converted.libraries.items()}
    made_by = {"pumice": __version__} | libraries
    recipe = {"converted": {"from": path.name, "sha256": digest, "kind": plan.kind, "with": made_by}}
    return Conversion(
        source=path.name,
        sha256=digest,
        kind=plan.kind,
        out=str(place),
        files=files,
        size=sum(((place / name) if plan.taken else place).stat().st_size for name in files),
        checked=_plain(converted.checked),
        notes=notes,
        enforced=[] if wish.unconfined else list(ENFORCED),
        recipe=recipe,
    )


def _check_system(wish: ConvertWish) -> None:
    lacks = missing()
    if lacks and not wish.unconfined:
        allowed = "a system that has it, or --unconfined if you trust the file's author"
        raise BadSetting("sandbox", f"this system, which lacks: {'; '.join(lacks)}", allowed)


def _believed(told: Any, path: Path, part: Path) -> Converted:
    """Take what the process told, after its files were looked at as a stranger's."""
    try:
        converted = msgspec.convert(told, Converted)
    except msgspec.ValidationError as error:
        raise BadArtefact(str(path), f"the process that read it told nonsense ({error})", "do not trust it") from None
    found = {entry.name for entry in part.iterdir()}
    flat = all(stat.S_ISREG((part / name).lstat().st_mode) for name in found)
    if not flat or not found or found != set(converted.files):
        raise BadArtefact(str(path), "the process that read it left other files than it told", "do not trust it")
    for name in sorted(found):
        file = part / name
        refuse_unsafe(file)
        if file.suffix == ".safetensors":
            check_safetensors(file)
        elif file.suffix == ".onnx" and check_external_data(file):
            raise BadArtefact(str(path), "the result names other files", "do not trust it")
    return converted


def _told(path: Path, error: PumiceError) -> PumiceError:
    """What a process told that had run a stranger's code: not to be mistaken for our own words."""
    return BadArtefact(str(path), f"its code ran, and told: {_plain(error.message)!r}", "believe none of it")


def _plain(text: str) -> str:
    """A stranger's text, fit for a terminal."""
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return shown if len(shown) <= _MOST_TOLD else f"{shown[:_MOST_TOLD]}…"


def _copy_rest(source: Path, part: Path, taken: frozenset[str]) -> list[str]:
    """Copy a folder's other files; what runs code is left out, and told."""
    notes = []
    for file in files_of(source):
        if file.path in taken:
            continue
        target = part / file.path
        try:
            refuse_unsafe(file.place)
        except UnsafeArtefact as error:
            notes.append(f"left out: {file.path}, {error.found}")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.place, target)
    return notes


def _digests(path: Path, plan: Plan) -> dict[str, str]:
    """SHA-256 of each file that is converted, by name."""
    names = sorted(plan.taken) if plan.taken else [path.name]
    digests = {}
    for name in names:
        file = path / name if plan.taken else path
        if file.is_file():
            with file.open("rb") as stream:
                digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def _list_digest(digests: dict[str, str]) -> str:
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()


@contextlib.contextmanager
def _part(place: Path) -> Iterator[Path]:
    """A folder beside the result, which goes away in the end."""
    part = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir(mode=0o700)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
