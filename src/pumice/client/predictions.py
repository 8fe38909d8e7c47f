"""The operation `predict`: plain items in, one plain result an item out, by what the model's task is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pumice.client.errors import BadAnswer
from pumice.client.flow import Flow, Link
from pumice.client.inference import Options, infer
from pumice.client.models import metadata
from pumice.client.types import ModelMetadata
from pumice.domain.datatypes import BYTES, NUMPY_TYPES
from pumice.domain.errors import BadRequest, SignatureMismatch, Unfit
from pumice.domain.signature import Tensor

Item = Any
"""``str`` or ``bytes`` for texts, ``bytes`` of a file for images, an array without the batch axis for tensors."""

Outputs = Mapping[str, np.ndarray]


class Predictor:
    """Knows the models of one server by what they said of themselves when they were first used.

    Args:
        link: How the server is spoken to.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[tuple[str, str], ModelMetadata] = {}

    def predict(self, model: str, items: Item, options: Options) -> Flow[list[Any]]:
        """Run a model over items.

        Args:
            model: Name of the model; it must have one input.
            items: A sequence of items; one ``str`` or ``bytes`` counts as a sequence of one.
            options: How it is asked.

        Returns:
            One result an item: ``{"label", "score"}`` for a classification, the vector for an embedding; for tensors
            the output's row, or a dictionary of rows where there are several outputs.

        Raises:
            SignatureMismatch: The model has several inputs, or the items do not make up its input.
            PumiceError: As `pumice.client.inference.infer`.
        """
        listed: list[Item] = [items] if isinstance(items, str | bytes) else list(items)
        if not listed:
            return []
        key = (model, options.version)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = yield from metadata(self._link, model, options.version)
        try:
            return (yield from _predict(self._link, known, listed, options))
        except (Unfit, BadRequest):
            self._known.pop(key, None)  # another model may be served under this name by now
            raise


def only_input(known: ModelMetadata) -> Tensor:
    """Return the input that items are for.

    Raises:
        SignatureMismatch: The model needs several inputs.
    """
    required = [tensor for tensor in known.inputs if not tensor.optional]
    if len(required) != 1:
        names = ", ".join(tensor.name for tensor in known.inputs)
        raise SignatureMismatch(
            known.name, "the items of predict()", "one sequence", f"the inputs {names}; give them by name to infer()"
        )
    return required[0]


def joined(model: str, tensor: Tensor, items: Sequence[Item]) -> np.ndarray:
    """Make one array of items, whose first axis counts them.

    Args:
        model: Name of the model, for the error.
        tensor: The input that they are for; its first axis is free.
        items: At least one.

    Raises:
        SignatureMismatch: The items are not of the input's type, or of different shapes.
    """
    if tensor.datatype == BYTES and len(tensor.shape) == 1:
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array
    rows = [typed(model, tensor, item) for item in items]
    if len({row.shape for row in rows}) > 1:
        shapes = " and ".join(sorted({str(list(row.shape)) for row in rows})[:2])
        raise SignatureMismatch(model, f"input '{tensor.name}'", f"items of shapes {shapes}", "items of one shape")
    return np.stack(rows)


def typed(model: str, tensor: Tensor, item: Item) -> np.ndarray:
    """Make an array of an item; Python's own numbers take the model's type, arrays keep theirs.

    Args:
        model: Name of the model, for the error.
        tensor: The input that it is for.
        item: An array, or nested sequences of elements.

    Raises:
        SignatureMismatch: The elements are not of the input's type.
    """
    if tensor.datatype == BYTES or isinstance(item, np.ndarray):
        return np.asarray(item, dtype=object if tensor.datatype == BYTES else None)
    try:
        return np.asarray(item, dtype=NUMPY_TYPES[tensor.datatype])
    except (TypeError, ValueError, OverflowError) as error:
        raise SignatureMismatch(model, f"input '{tensor.name}'", str(error), str(tensor)) from None


def _predict(link: Link, known: ModelMetadata, items: list[Item], options: Options) -> Flow[list[Any]]:
    tensor = only_input(known)
    if tensor.shape[:1] == [-1]:
        answer = yield from infer(link, known.name, {tensor.name: joined(known.name, tensor, items)}, options)
        return _by_item(known, answer.outputs, len(items))
    results = []  # without a free first axis, an item is a whole request
    for item in items:
        answer = yield from infer(link, known.name, {tensor.name: typed(known.name, tensor, item)}, options)
        results.append(_unwrapped(answer.outputs))
    return results


def _by_item(known: ModelMetadata, outputs: Outputs, rows: int) -> list[Any]:
    wrong = {name: list(array.shape) for name, array in outputs.items() if array.shape[:1] != (rows,)}
    if wrong:
        raise BadAnswer(f"predict() of model '{known.name}'", f"{rows} items were sent, the outputs have {wrong}")
    return _READERS.get(_task(known), _tensors)(outputs, rows)


def _task(known: ModelMetadata) -> str:
    task = known.parameters.get("task")
    if isinstance(task, str):
        return task
    names = {tensor.name for tensor in known.outputs}
    if {"label", "score"} <= names:
        return "text-classification"
    return "text-embedding" if names == {"embedding"} else "tensor"


def _classes(outputs: Outputs, rows: int) -> list[Any]:
    labels, scores = outputs["label"], outputs["score"]
    return [{"label": _text(labels[row]), "score": float(scores[row])} for row in range(rows)]


def _tensors(outputs: Outputs, rows: int) -> list[Any]:
    return [_unwrapped({name: array[row] for name, array in outputs.items()}) for row in range(rows)]


def _unwrapped(outputs: Mapping[str, Any]) -> Any:
    return next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


_READERS: Mapping[str, Callable[[Outputs, int], list[Any]]] = {
    "text-classification": _classes,
    "image-classification": _classes,
}
