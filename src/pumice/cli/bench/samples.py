"""Inputs that fit a model's signature, where the user gives none."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from pumice.client import ModelMetadata
from pumice.domain.datatypes import BYTES, NUMPY_TYPES
from pumice.domain.signature import Tensor

SENTENCES = (
    "这家酒店的位置很好，房间干净，服务也热情，下次还会再来。",
    "质量太差了，用了两天就坏，客服一直不回复。",
    "书的内容不错，就是纸张有点薄。",
    "物流很快，包装完好，孩子非常喜欢。",
    "屏幕清晰，电池能用一整天，性价比很高。",
    "早餐种类少，隔音不好，晚上睡得很不踏实。",
    "味道一般，价格偏贵，不会再买第二次。",
    "很好",
    "The room was clean, the staff were friendly, and we would gladly come back.",
    "It stopped working after two days, and support never answered.",
    "A good read, though the paper is rather thin.",
    "Fast delivery, careful packaging, and exactly what the picture showed.",
    "The battery lasts all day and the screen is sharp; well worth the price.",
    "Breakfast was poor and the walls were thin; we hardly slept.",
    "Neither good nor bad, but too expensive for what it is.",
    "Great!",
)
"""Texts of the kind that text models are asked, in Chinese and English."""

_IMAGE_SIDE = 224


def sample_inputs(known: ModelMetadata, rows: int, free: int, chance: np.random.Generator) -> dict[str, np.ndarray]:
    """Make the inputs of one request.

    Args:
        known: What the model takes.
        rows: Size of a free first axis.
        free: Size of every other free axis.
        chance: Where the numbers come from.

    Returns:
        Arrays by the names of the inputs: floats are normal, integers 0 or 1 (which every vocabulary has), texts
        sentences, images small PNG files.
    """
    return {t.name: _sample(t, rows, free, chance) for t in known.inputs if not t.optional}


def _sample(tensor: Tensor, rows: int, free: int, chance: np.random.Generator) -> np.ndarray:
    sizes = [rows if size == -1 and axis == 0 else size for axis, size in enumerate(tensor.shape)]
    shape = [free if size == -1 else size for size in sizes]
    if tensor.datatype == BYTES:
        return _byte_strings(shape, "image" in tensor.name.lower(), chance)
    dtype: Any = NUMPY_TYPES[tensor.datatype]
    if dtype.kind == "f":
        return chance.standard_normal(shape).astype(dtype)
    array = chance.integers(0, 2, shape).astype(dtype)
    array[..., :1] = 1  # a mask that lets nothing through makes some models answer NaN
    return array


def _byte_strings(shape: list[int], images: bool, chance: np.random.Generator) -> np.ndarray:
    count = int(np.prod(shape))
    flat = np.empty(count, dtype=object)
    if images:
        flat[:] = [png(chance.integers(0, 256, (_IMAGE_SIDE, _IMAGE_SIDE, 3), np.uint8)) for _ in range(count)]
    else:
        flat[:] = [SENTENCES[number].encode() for number in chance.integers(0, len(SENTENCES), count)]
    return flat.reshape(shape)


def png(pixels: np.ndarray) -> bytes:
    """Write an image as PNG (ISO/IEC 15948), without an imaging library.

    Args:
        pixels: RGB, UINT8 [height, width, 3].
    """
    height, width = pixels.shape[:2]
    # every line begins with the number of its filter: none
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    chunks: Mapping[bytes, bytes] = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(lines.tobytes(), 1),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
