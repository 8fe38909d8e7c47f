"""Examples from a folder of images: a folder a class, or ``labels.csv`` beside them, or no labels at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.optimize.data.content import check_of, checked
from pumice.optimize.data.problems import told_of
from pumice.optimize.data.wanted import LABEL, SLICE, Raw, Wanted
from pumice.tables.reading import open_table

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"})
"""Suffixes of image files."""

TABLE = "labels.csv"
"""File that says what the images are: the columns ``file``, and ``label`` and ``slice`` if wanted."""

FILE = "file"
"""Column with the name of an image, from the folder on."""


def read_folder(path: Path, wanted: Wanted) -> Raw:
    """Read a folder of images.

    Args:
        path: The folder.
        wanted: What the model takes: images.

    Raises:
        BadSetting: The model takes none, or the folder is not made so.
    """
    if wanted.manifest.task != "image-classification":
        given = f"a folder, for a model of task '{wanted.manifest.task}'"
        raise BadSetting(told_of(path), given, f"a file (.jsonl, .csv, .parquet, .npz) with {wanted}")
    return _from_table(path, wanted) if (path / TABLE).is_file() else _from_folders(path, wanted)


def _from_table(path: Path, wanted: Wanted) -> Raw:
    table = path / TABLE
    told = told_of(table)
    with contextlib.closing(open_table(table, "csv", told)) as reader:
        columns = list(reader.columns)
        if FILE not in columns:
            raise BadSetting(told, f"the columns {', '.join(columns)}", f"'{FILE}', and '{LABEL}' and '{SLICE}' if any")
        rows = list(reader.rows(0))
    raw = Raw(places=[f"{TABLE} {row.place}" for row in rows])
    files: list[Path | None] = []
    for row, place in zip(rows, raw.places, strict=True):
        name = row.values.get(FILE, "")
        file = path / name
        if row.error or not name or not file.is_file():
            wanted.problems.note(place, row.error or f"there is no file '{name}'; name it from the folder on")
        files.append(file if name and file.is_file() else None)
    if LABEL in columns:
        raw.labels = [row.values.get(LABEL) for row in rows]
    if SLICE in columns:
        raw.slices = [row.values.get(SLICE) for row in rows]
    raw.inputs[wanted.inputs[0].name] = _contents(files, raw.places, wanted)
    return raw


def _from_folders(path: Path, wanted: Wanted) -> Raw:
    folders = [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    raw = Raw(labels=[] if folders else None)
    files: list[Path | None] = []
    for folder in folders or [path]:
        for file in sorted(folder.rglob("*")):
            if file.is_dir() or file.name.startswith("."):
                continue
            place = file.relative_to(path).as_posix()
            if file.suffix.lower() not in IMAGES:
                wanted.problems.note(place, f"no image; expected {', '.join(sorted(IMAGES))}")
            files.append(file)
            raw.places.append(place)
            if raw.labels is not None:
                raw.labels.append(folder.name)
    if folders:
        for file in sorted(path.iterdir()):
            if file.is_file() and file.suffix.lower() in IMAGES:
                wanted.problems.note(file.name, "an image beside the folders of the classes; put it into one of them")
    raw.inputs[wanted.inputs[0].name] = _contents(files, raw.places, wanted)
    return raw


def _contents(files: list[Path | None], places: list[str], wanted: Wanted) -> np.ndarray:
    """The bytes of the files; those that are no images are noted."""
    check = check_of(wanted.manifest, wanted.inputs[0])
    contents = np.empty(len(files), dtype=object)
    for row, file in enumerate(files):
        contents[row] = b""
        if file is not None:
            try:
                contents[row] = file.read_bytes()
            except OSError as error:
                wanted.problems.note(places[row], f"it cannot be read ({error.strerror or error})")
            else:
                checked(check, contents[row : row + 1], places[row : row + 1], wanted.problems)
    return contents
