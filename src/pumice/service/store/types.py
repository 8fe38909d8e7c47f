"""What the store's operations take; what they tell is in `pumice.domain.store.told`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pumice.domain.model import Manifest
from pumice.domain.store.told import Lineage, Shown, Verified

__all__ = ["Lineage", "Progress", "PushWish", "Shown", "Verified"]

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""


class PushWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a new version besides its files.

    Attributes:
        parents: References to the versions that it was made from.
        recipe: How it was made from them.
        reason: Why it is pushed, for the journal.
        drop_signature: Leave out the signature that lies in the folder, unchecked.
        spec: What is known of the model, if its folder does not say it.
        digests: SHA-256 in hex that files must turn out to have, by path; else nothing is entered.
        seal: Encrypt it with the key of the setting ``seal_key``.
        mend: Compare its bytes with those that are stored of it also if these lie in an object store, and store them
            anew where they have changed. With packs in the home, every push does.
    """

    parents: tuple[str, ...] = ()
    recipe: dict[str, Any] = msgspec.field(default_factory=dict)
    reason: str = ""
    drop_signature: bool = False
    spec: Manifest | None = None
    digests: dict[str, str] = msgspec.field(default_factory=dict)
    seal: bool = False
    mend: bool = False
