"""Content-defined chunks: cut points that follow the bytes and not their place.

A cut may stand behind any four bytes whose hash is above a threshold, so that bytes that are put in or taken out move
cuts near them only, and files that share a region share its chunks. As in FastCDC (Xia et al., USENIX ATC 2016), chunks
have a least and a greatest length. The hash is a multiplication, of which NumPy does a whole block at once; a rolling
hash would be a loop. Zeros hash to zero, which is never a cut: a hole is chunks of the greatest length, all the same.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

WINDOW = 4
"""Bytes that decide on a cut behind them."""

_STEP = 1 << 19
_FACTOR = np.uint32(2654435761)
"""Knuth's factor for hashing by multiplication: 2**32 divided by the golden ratio, a prime."""

_MIB = 1 << 20
_KIB = 1 << 10


@dataclass(frozen=True, slots=True)
class Sizes:
    """Lengths of chunks (bytes).

    Attributes:
        least: Only a file's last chunk is shorter.
        usual: What the mean is near to, for bytes without order.
        most: None is longer.
    """

    least: int
    usual: int
    most: int


LONGEST_CHUNK = 256 * _KIB
"""No chunk of any file is longer (bytes)."""


def sizes_for(length: int) -> Sizes:
    """Choose chunks for a file: small ones for small files, so that a small change costs little of either.

    Args:
        length: Of the file (bytes).
    """
    usual = 4 * _KIB if length < 4 * _MIB else 16 * _KIB if length < 64 * _MIB else 64 * _KIB
    return Sizes(usual // 4, usual, usual * 4)


def cut_points(block: np.ndarray, sizes: Sizes, *, last: bool) -> list[int]:
    """Cut a block that begins at a cut.

    Args:
        block: Bytes (uint8), contiguous.
        sizes: Lengths of chunks.
        last: Whether the file ends with the block. If not, what is behind the last cut belongs to the next block.

    Returns:
        Ends of the chunks, rising; none of a chunk that more bytes might end elsewhere.
    """
    length = len(block)
    places = _candidates(block, sizes)
    cuts: list[int] = []
    start = 0
    while length - start > sizes.least:
        end = start + sizes.most
        at = bisect_left(places, start + sizes.least)
        if at < len(places) and places[at] <= end:
            end = places[at]
        elif end > length:
            break
        cuts.append(end)
        start = end
    if last and start < length:
        cuts.append(length)
    return cuts


def _candidates(block: np.ndarray, sizes: Sizes) -> list[int]:
    """Where a chunk may end."""
    # the mean length of a chunk is its least length and then the mean way to the next candidate
    above = np.uint32(2**32 - 1 - 2**32 // (sizes.usual - sizes.least))
    scratch = np.empty(_STEP // WINDOW + 1, np.uint32)
    found = []
    for first in range(0, len(block) - WINDOW + 1, _STEP):
        piece = block[first : first + _STEP + WINDOW - 1]
        for phase in range(WINDOW):
            words = piece[phase : phase + (len(piece) - phase) // WINDOW * WINDOW].view(np.uint32)
            hashed = scratch[: len(words)]
            np.multiply(words, _FACTOR, out=hashed)
            found.append((hashed > above).nonzero()[0] * WINDOW + (first + phase + WINDOW))
    if not found:
        return []
    places = np.unique(np.concatenate(found))
    result: list[int] = places.tolist()
    return result
