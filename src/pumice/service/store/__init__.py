"""The operations of the model store, the same for every face: push, pull, aliases, history, verify, collect.

What is served is another thing: see `pumice.service.models`. `Store` imports SQLAlchemy, so it is loaded at its first
use; what the operations take and tell is light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pumice.service.store.store import Store

__all__ = ["Store"]


def __getattr__(name: str) -> object:
    """Load `Store` when it is first used (PEP 562)."""
    if name != "Store":
        msg = f"module 'pumice.service.store' has no attribute {name!r}"
        raise AttributeError(msg)
    from pumice.service.store.store import Store

    return Store
