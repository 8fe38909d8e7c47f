"""The door, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pumice.config import Settings
from pumice.domain.access import Rate, rate_of
from pumice.service.access.access import Access
from pumice.service.access.audit import Audit
from pumice.service.access.buckets import FILE_NAME, SharedBuckets
from pumice.service.access.doors import Doors
from pumice.service.access.known_keys import KnownKeys
from pumice.service.access.limiter import Limiter

if TYPE_CHECKING:
    from pumice.service.access.keys import KeyStore


def make_access(settings: Settings) -> Access:
    """Put the door together; nothing is opened that is not needed.

    Raises:
        StorageFailed: The home cannot be written.
    """
    audit = Audit(settings.home_path, settings.audit_max_bytes)
    if settings.auth == "none":
        return Access(audit=audit)
    limiter = Limiter(SharedBuckets(settings.home_path / FILE_NAME))

    def open_store() -> KeyStore:
        from pumice.service.access.keys import KeyStore  # SQLAlchemy: in the thread that opens it

        return KeyStore.open(settings.home_path, settings.database)

    keys = KnownKeys(open_store, default_rate(settings))
    return Access(Doors(keys, limiter), keys, audit)


def default_rate(settings: Settings) -> Rate | None:
    """The rate of callers who have none of their own."""
    return rate_of(settings.rate_limit or None, (settings.rate_burst or None) if settings.rate_limit else None)
