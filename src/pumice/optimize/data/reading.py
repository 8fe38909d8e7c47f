"""Finds out what DATA is, reads it, and holds it against the model's signature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature
from pumice.optimize.data.archive import read_archive
from pumice.optimize.data.digests import whole_digest
from pumice.optimize.data.elements import has_rows
from pumice.optimize.data.folder import read_folder
from pumice.optimize.data.labels import read_labels
from pumice.optimize.data.problems import Problems, told_of
from pumice.optimize.data.rows import read_rows
from pumice.optimize.data.wanted import Raw, Wanted
from pumice.optimize.examples import Examples
from pumice.tables.rows import FORMATS


def read_examples(path: Path, signature: Signature, manifest: Manifest) -> Examples:
    """Read the examples on which models are compared.

    Columns (of NPZ: arrays) are named as the inputs; ``label`` and ``slice`` are optional; others are passed over.
    Either every row can be used, or none is: the first faults are told by their lines.

    Args:
        path: A file of JSON lines, CSV, Parquet or NPZ, known by its suffix, or a folder of images.
        signature: What callers send, the served signature (of the task).
        manifest: The model's manifest: its classes and its policies of text and numbers.

    Returns:
        The examples, in their order.

    Raises:
        BadSetting: Something about it is wrong; the message names the rows. Or the model answers no single examples.
        MissingDependency: The format's library is not installed.
    """
    told = told_of(path)
    _check_rows(signature)
    wanted = Wanted(signature, manifest, Problems(told))
    raw = _raw(path, wanted)
    count = len(raw.places)
    if not count:
        raise BadSetting(told, "no examples", f"at least one row with {wanted}")
    labels = None
    if raw.labels is not None:
        labels = read_labels(raw.labels, raw.places, manifest, wanted.classes, wanted.problems)
    slices = None if raw.slices is None else _slices(raw.slices, raw.places, wanted.problems)
    wanted.problems.refuse_any(count, str(wanted))
    return Examples(raw.inputs, labels, slices, whole_digest(raw.inputs, labels, slices))


def _check_rows(signature: Signature) -> None:
    for tensor in [*signature.inputs, *signature.outputs]:
        if not has_rows(tensor):
            given = f"'{tensor.name}' {tensor}, which has no axis of examples"
            allowed = "a first axis that is free (-1) or 1 in every input and output; export the model so"
            raise BadSetting("signature", given, allowed)


def _raw(path: Path, wanted: Wanted) -> Raw:
    if path.is_dir():
        return read_folder(path, wanted)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_archive(path, wanted)
    if suffix in FORMATS:
        return read_rows(path, FORMATS[suffix], wanted)
    what = f"the suffix '{suffix}'" if path.exists() else "a path at which there is nothing"
    raise BadSetting(told_of(path), what, f"a file {', '.join([*FORMATS, '.npz'])}, or a folder of images")


def _slices(values: Sequence[Any], places: Sequence[str], problems: Problems) -> np.ndarray:
    named = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        name = value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value)
        if not name.strip():
            problems.note(places[row], "'slice': there is none, and other rows have one; give it a name")
        named[row] = name
    return named
