"""From a Hugging Face directory and back to one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact, MalformedInput, StorageFailed
from pumice.domain.trust.statements import SIGNATURE_FILE
from pumice.exchanges.base import Arrival, Exchange, Parcel, Progress, Sent
from pumice.exchanges.folders import files_below, landing, lay_down
from pumice.exchanges.huggingface.card import NAME as CARD
from pumice.exchanges.huggingface.card import Card, add_to_card, read_card, write_card
from pumice.exchanges.huggingface.reading import Files, read_manifest, remote_code

MANIFEST = "manifest.json"

_SKIPPED = frozenset((".git", ".cache", "__pycache__"))
_SNAPSHOTS = "snapshots"
_HUB_PREFIX = "models--"
_SAFE = frozenset((".safetensors", ".onnx", ".gguf"))
# the same weights once more, or a trainer's state: what nobody needs beside weights in a safe form
_SPARE = frozenset((".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".pkl", ".pickle", ".ot"))
_KEPT_OF_CARD = ("license", "base_model", "language", "datasets", "tags", "pipeline_tag", "library_name")
_PIPELINES: Mapping[str, str] = {
    "text-classification": "text-classification",
    "text-embedding": "feature-extraction",
    "image-classification": "image-classification",
}


class HuggingFace(Exchange):
    """A directory as the Hub gives it: ``hf:DIR``; also one of the Hub's cache on this machine."""

    name = "hf"
    title = "Hugging Face directory"

    @classmethod
    def recognises(cls, source: str) -> bool:
        """Whether it is a folder with a configuration or a model card, and weights in it."""
        folder = _snapshot(Path(source).expanduser())
        if (folder / "MLmodel").exists() or not ((folder / "config.json").is_file() or (folder / CARD).is_file()):
            return False
        return folder.is_dir() and any(path.suffix in _SAFE | _SPARE for path in folder.glob("*"))

    def fetch(self, source: str, folder: Path, progress: Progress) -> Arrival:
        """Lay a directory down; see `Exchange.fetch`. ``.bin`` and the like are left out beside weights in a safe form.

        Raises:
            BadArtefact: It is not there, or holds a link that leads out of it.
            MalformedInput: One of its files cannot be read.
        """
        place = _snapshot(Path(source).expanduser().absolute())
        if not place.is_dir():
            raise BadArtefact(source, "there is no such folder", "name a folder with a model")
        hub = _hub(place)
        try:
            found = files_below(place, place.parent.parent if hub else place, _SKIPPED)
            spare = _spare(found) if SIGNATURE_FILE not in found else []
            files = Files({path: file for path, file in found.items() if path not in spare})
            card = _card(files)
            manifest = None if MANIFEST in files.paths else read_manifest(files, card)
            _lay_down(files.paths, card, folder, progress)
        except OSError as error:
            raise StorageFailed(source, error.strerror or str(error)) from error
        code = remote_code(files)
        origin: dict[str, Any] = {"directory": place.name, **hub}
        origin |= {"card": {key: card.data[key] for key in _KEPT_OF_CARD if key in card.data}} if card.data else {}
        origin |= {"left_out": spare} if spare else {}
        origin |= {"remote_code": code} if code else {}
        notes = tuple(_notes(spare, code))
        return Arrival(name=_name(hub, place), manifest=manifest, origin=origin, notes=notes)

    def send(self, parcel: Parcel, target: str, progress: Progress) -> Sent:
        """Write a version's files and its model card into a folder; see `Exchange.send`.

        Raises:
            BadArtefact: The folder has something in it.
            StorageFailed: It could not be written.
        """
        del progress  # unpacking tells it
        with landing(target) as part:
            parcel.unpack(part)
            card = part / CARD
            if card.exists():
                text = add_to_card(_text_of(card), _front_matter(parcel), CARD)
            else:
                text = write_card(_front_matter(parcel), _body(parcel))
            card.write_text(text, encoding="utf-8", newline="")
            signed = (part / SIGNATURE_FILE).exists()
        about = {"digest": parcel.record.digest}
        notes = (f"{SIGNATURE_FILE} is of the version's own files: {CARD} has more in it now",) if signed else ()
        return Sent(place=str(Path(target).expanduser().absolute()), about=about, notes=notes)


def _snapshot(place: Path) -> Path:
    """The newest snapshot of a model's folder in the Hub's cache; any other place is itself."""
    main = place / "refs" / "main"
    if not place.name.startswith(_HUB_PREFIX) or not main.is_file():
        return place
    revision = main.read_text(encoding="utf-8", errors="replace").strip()
    if not revision.isalnum():
        raise BadArtefact(str(main), "it names no revision", "name the folder of the snapshot")
    return place / _SNAPSHOTS / revision


def _hub(place: Path) -> dict[str, str]:
    """Which model and revision a snapshot of the Hub's cache is; nothing for other folders."""
    repository = place.parent.parent.name
    if place.parent.name != _SNAPSHOTS or not repository.startswith(_HUB_PREFIX):
        return {}
    return {"repository": repository.removeprefix(_HUB_PREFIX).replace("--", "/"), "revision": place.name}


def _name(hub: Mapping[str, str], place: Path) -> str:
    return hub.get("repository", place.name).rpartition("/")[2]


def _spare(found: Mapping[str, Path]) -> list[str]:
    if not any(Path(path).suffix in _SAFE for path in found):
        return []
    return [path for path in found if Path(path).suffix in _SPARE]


def _card(files: Files) -> Card:
    place = files.paths.get(CARD)
    return read_card(_text_of(place), CARD) if place else Card({}, "", "")


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedInput(file.name, "it is no UTF-8") from None


def _lay_down(files: Mapping[str, Path], card: Card, folder: Path, progress: Progress) -> None:
    total, done = sum(file.stat().st_size for file in files.values()), 0
    for path, file in files.items():
        if path == CARD and card.original is None:
            continue  # an export wrote all of it
        done += lay_down(file, folder / path)
        progress(done, total)
    if card.original and CARD in files and card.original != _text_of(files[CARD]):
        (folder / CARD).unlink()  # it may be a link to the source's own
        (folder / CARD).write_text(card.original, encoding="utf-8", newline="")


def _notes(spare: list[str], code: Mapping[str, Any]) -> list[str]:
    notes = [f"left out, since the weights are there in a safe form: {', '.join(spare)}"] if spare else []
    if code:
        notes.append(f"it asks for code of its own ({', '.join(code)}), which is kept as text and never run")
    return notes


def _front_matter(parcel: Parcel) -> dict[str, Any]:
    spec = parcel.manifest.spec
    parents = [f"{parent.model}@{parent.version}" for parent in parcel.manifest.parents]
    data: dict[str, Any] = {
        "license": spec.licence,
        "pipeline_tag": _PIPELINES.get(spec.task, ""),
        "base_model": parents,
        "tags": ["pumice", *([spec.format] if spec.format else [])],
        "model-index": _model_index(parcel),
        "pumice": {"model": parcel.record.model, "version": parcel.record.version, "digest": parcel.record.digest},
    }
    return {key: value for key, value in data.items() if value}


def _model_index(parcel: Parcel) -> list[dict[str, Any]]:
    measured = {name: value for name, value in parcel.manifest.spec.metrics.items() if isinstance(value, int | float)}
    if not measured:
        return []
    metrics = [{"type": name, "name": name, "value": value} for name, value in measured.items()]
    task = {"type": _PIPELINES.get(parcel.manifest.spec.task, "other")}
    dataset = {"type": "unknown", "name": "unknown"}  # the card wants one; a manifest names none
    result = {"task": task, "dataset": dataset, "metrics": metrics}
    return [{"name": parcel.record.model, "results": [result]}]


def _body(parcel: Parcel) -> str:
    spec, record = parcel.manifest.spec, parcel.record
    lines = [f"# {record.model}", spec.description, f"Version {record.version}, digest `{record.digest}`."]
    if spec.labels:
        lines.append(f"Classes: {', '.join(spec.labels)}.")
    return "\n\n".join(line for line in lines if line) + "\n"
