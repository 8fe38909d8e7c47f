"""How the C library keeps memory that was given back."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
KEPT_BYTES = 64 * 1024 * 1024
"""Most that stays at the end of the heap instead of going back to the system."""
HEAP_BELOW_BYTES = 8 * 1024 * 1024
"""Blocks below this come from the heap; larger ones from the system each time."""


def keep_heap() -> None:
    """Keep the memory of one request's tensors for the next.

    By default glibc gives what is free at the end of the heap back when it is twice the largest block that was freed:
    with images of 600 KB after nearly each, and the next one pays for every page anew. Other C libraries are left as
    they are.

    Source: ``mallopt(3)``.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, HEAP_BELOW_BYTES)
