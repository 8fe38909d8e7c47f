"""What faces are given of this package."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.service.access.audit import Audit
from pumice.service.access.doors import Doors
from pumice.service.access.known_keys import KnownKeys


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in, and what is written down of those who manage.

    Attributes:
        doors: Ask every caller who it is; None: everybody may do everything.
        keys: The keys, where callers are known by keys.
        audit: Where management acts are written down; None: nowhere.
    """

    doors: Doors | None = None
    keys: KnownKeys | None = None
    audit: Audit | None = None
