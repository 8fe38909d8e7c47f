"""What serving would refuse in an example: unclean text, broken images, NaN. A model never sees it in production."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pumice.domain.datatypes import BYTES, FLOATS
from pumice.domain.errors import BadRequest, MalformedInput, PumiceError, Unfit
from pumice.domain.model import TEXT_TASKS, Manifest
from pumice.domain.signature import Tensor
from pumice.domain.text import clean_texts
from pumice.optimize.data.problems import Problems

Check = Callable[[np.ndarray], np.ndarray]
"""Gives some examples of an input [n, ...] back, repaired if that is the policy; raises if one is bad."""


def check_of(manifest: Manifest, tensor: Tensor) -> Check | None:
    """The check of an input's content; None if anything of its type may come.

    Raises:
        MissingDependency: Images are to be looked at and Pillow is not installed.
    """
    if tensor.datatype == BYTES:
        if manifest.task in TEXT_TASKS:
            return lambda texts: clean_texts(texts, manifest.clean, manifest.max_text_chars, f"'{tensor.name}'")
        return _images(manifest) if manifest.task == "image-classification" else None
    return None if tensor.datatype not in FLOATS or manifest.allow_nonfinite else _finite(tensor)


def checked(check: Check | None, examples: np.ndarray, places: list[str], problems: Problems) -> np.ndarray:
    """Examples as they may come in; those that may not are noted and go through as they are.

    Args:
        check: What is looked for, if anything.
        examples: Some examples of an input [n, ...].
        places: Where each stands.
        problems: Where faults are noted.
    """
    if check is None or not len(examples):
        return examples
    try:
        return check(examples)
    except (BadRequest, Unfit):
        pass
    kept = examples.copy()
    for row, place in enumerate(places):
        try:
            kept[row] = check(examples[row : row + 1])[0]
        except (BadRequest, Unfit) as error:
            problems.note(place, _without_row(error))
    return kept


def _without_row(error: PumiceError) -> str:
    return error.message.replace("'[0]", "'", 1)


def _finite(tensor: Tensor) -> Check:
    def check(examples: np.ndarray) -> np.ndarray:
        if not np.isfinite(examples).all():
            raise MalformedInput(f"'{tensor.name}'", "NaN or infinity; expected finite numbers")
        return examples

    return check


def _images(manifest: Manifest) -> Check | None:
    from pumice.runtime.worker.tasks.images import ImageDecoder

    if manifest.image is None:
        return None
    # what it becomes does not matter, so the graph's own type is not asked for
    decoder = ImageDecoder(manifest.image, np.dtype(np.float32))

    def check(examples: np.ndarray) -> np.ndarray:
        for row in range(len(examples)):
            decoder.decode(examples[row : row + 1])
        return examples

    return check
