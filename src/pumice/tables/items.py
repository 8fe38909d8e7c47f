"""From a column's value to an item of a model's input."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import MalformedInput
from pumice.domain.signature import Tensor


def item_of(tensor: Tensor, values: Mapping[str, Any]) -> Any:
    """Read the value of a column as an item of an input.

    Args:
        tensor: The input, named as the column.
        values: A row's values by column: numbers and nested lists of them, or text of a CSV file that holds them as
            JSON; text or bytes, or ``{"b64": …}``.

    Returns:
        What makes an array of the input.

    Raises:
        MalformedInput: There is no value, or it is none for the input.
    """
    value = values.get(tensor.name)
    if value is None:
        raise MalformedInput(f"column '{tensor.name}'", "there is no value")
    if tensor.datatype != BYTES:
        return _number(tensor, value)
    if isinstance(value, dict) and "b64" in value:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise MalformedInput(f"column '{tensor.name}'", "'b64' is no base64") from None
    if len(tensor.shape) <= 1 and not isinstance(value, str | bytes):
        raise MalformedInput(f"column '{tensor.name}'", f"expected text, found {type(value).__name__}")
    return value


def _number(tensor: Tensor, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise MalformedInput(f"column '{tensor.name}'", f"expected numbers as JSON, found '{value[:40]}'") from None
