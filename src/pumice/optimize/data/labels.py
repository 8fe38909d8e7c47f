"""The column ``label``: names of classes, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from pumice.domain.model import Manifest
from pumice.domain.signature import Signature
from pumice.optimize.data.problems import Problems

_CLASSIFY = frozenset({"text-classification", "image-classification"})


def classes_of(manifest: Manifest, signature: Signature) -> list[str]:
    """Names of the classes that the model answers with; empty if it names none.

    Args:
        manifest: The model's manifest.
        signature: The served signature (of the task).
    """
    if manifest.labels or manifest.task not in _CLASSIFY:
        return manifest.labels
    sizes = [tensor.shape[1] for tensor in signature.outputs if tensor.name == "scores"]
    return [f"LABEL_{index}" for index in range(sizes[0])] if sizes else []


def read_labels(
    values: Sequence[Any], places: Sequence[str], manifest: Manifest, classes: list[str], problems: Problems
) -> np.ndarray:
    """Labels in the form in which the judges take them.

    The whole column decides: if every value is the name of a class, they are names; else they are the classes' places.

    Args:
        values: What the file says, one an example; texts, numbers, or nested lists of numbers.
        places: Where each stands.
        manifest: The model's manifest.
        classes: Names of its classes, see `classes_of`.
        problems: Where faults are noted.

    Returns:
        For a classification the names of the classes as bytes [n]. Otherwise numbers [n, ...], names of classes having
        become their places; or bytes [n] where these are texts of another kind.
    """
    plain = [_plain(value) for value in values]
    missing = [index for index, value in enumerate(plain) if value is None or value == ""]
    for index in missing:
        problems.note(places[index], "'label': there is none, and other rows have one")
    if missing:
        return np.empty(0, dtype=object)
    if classes and all(not isinstance(value, list) for value in plain):
        numbers = _class_numbers(plain, places, classes, problems)
        return _named(numbers, classes) if manifest.task in _CLASSIFY else numbers
    if manifest.task in _CLASSIFY:
        for place, value in zip(places, plain, strict=True):
            if isinstance(value, list):
                problems.note(place, f"'label': a list; expected one of {_few(classes)}")
        return np.empty(0, dtype=object)
    return _numbers(plain, places, problems)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        if value != value:  # noqa: PLR0124 - NaN is how tables say that nothing is there
            return None
        return int(value) if value.is_integer() else value
    return value


def _class_numbers(values: Sequence[Any], places: Sequence[str], classes: list[str], problems: Problems) -> np.ndarray:
    """The place of each value's class."""
    by_name = {name: index for index, name in enumerate(classes)}
    found = [by_name.get(str(value), -1) for value in values]
    if -1 in found:
        by_place = [_place(value, len(classes)) for value in values]
        # of two readings that both have gaps, the fuller one tells which values are meant to be mended
        found = by_place if by_place.count(-1) < found.count(-1) else found
    for value, place, number in zip(values, places, found, strict=True):
        if number < 0:
            allowed = f"one of {_few(classes)}, or 0 to {len(classes) - 1} in all rows"
            problems.note(place, f"'label': given {str(value)[:40]!r}; expected {allowed}")
    return np.array(found, dtype=np.int64)


def _place(value: Any, count: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < count else -1


def _named(numbers: np.ndarray, classes: list[str]) -> np.ndarray:
    names = np.empty(len(classes), dtype=object)
    names[:] = [name.encode() for name in classes]
    return np.asarray(names[numbers])


def _numbers(values: Sequence[Any], places: Sequence[str], problems: Problems) -> np.ndarray:
    if any(isinstance(value, str) for value in values):
        decoded = [_number_in(value) for value in values]
        if any(value is None for value in decoded):
            return _texts(values)
        values = decoded
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    shape = np.shape(values[0]) if isinstance(values[0], list) else ()
    for place, value in zip(places, values, strict=True):
        if not _is_numbers(value, shape):
            problems.note(place, f"'label': {str(value)[:40]!r}; expected numbers of the shape {list(shape)}")
    return np.empty(0, dtype=object)


def _is_numbers(value: Any, shape: tuple[int, ...]) -> bool:
    try:
        array = np.asarray(value)
    except ValueError:
        return False
    return array.dtype.kind in "iuf" and array.shape == shape


def _number_in(text: Any) -> Any:
    """What a field of a CSV file says, if that is numbers."""
    if not isinstance(text, str):
        return text
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, int | float | list) else None


def _texts(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = [str(value).encode(errors="surrogateescape") for value in values]
    return array


def _few(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
