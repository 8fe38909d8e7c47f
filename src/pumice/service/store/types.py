"""What the store's operations take; what they tell is in `pumice.domain.store.told`."""

from __future__ import annotations

from collections.abc import Callable

from pumice.domain.store.told import Lineage, Shown, Verified
from pumice.domain.store.wishes import PushWish

__all__ = ["Lineage", "Progress", "PushWish", "Shown", "Verified"]

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""
