"""The header of a safetensors file, held against the file (format: https://github.com/huggingface/safetensors)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadArtefact

_BITS = {
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_MOST_HEADER_BYTES = 100_000_000


def check_safetensors(path: Path) -> None:
    """Check that a file is whole safetensors: a header that says of every byte which tensor it belongs to.

    Args:
        path: The file.

    Raises:
        BadArtefact: It is not, or it cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = stream.read(length) if length <= min(size - 8, _MOST_HEADER_BYTES) else b""
    except OSError as error:
        raise BadArtefact(str(path), f"it cannot be read: {error.strerror}", "mend its path or permissions") from None
    try:
        problem = _problem(msgspec.json.decode(header), size - 8 - length)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        problem = f"its header cannot be read ({type(error).__name__})"
    if problem:
        raise BadArtefact(str(path), f"it is no whole safetensors file: {problem}", "copy or save it again")


def _problem(header: dict[str, Any], size: int) -> str:
    """What is wrong with a header, or nothing.

    Args:
        header: As decoded.
        size: Bytes behind it.
    """
    expected = 0
    tensors = sorted((item for item in header.items() if item[0] != "__metadata__"), key=lambda item: _span(item[1]))
    for name, tensor in tensors:
        start, end = _span(tensor)
        bits = _BITS[tensor["dtype"]] * math.prod(tensor["shape"])
        if start != expected or (end - start) * 8 != bits or any(extent < 0 for extent in tensor["shape"]):
            return f"tensor '{name}' does not lie where its type and shape say"
        expected = end
    return "" if expected == size else f"its tensors take {expected} bytes, and {size} are there"


def _span(tensor: dict[str, Any]) -> tuple[int, int]:
    start, end = tensor["data_offsets"]
    return start, end
