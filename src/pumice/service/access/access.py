"""What faces are given of this package."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.service.access.audit import Audit
from pumice.service.access.doors import Doors
from pumice.service.access.known_keys import KnownKeys
from pumice.service.access.tls import Certificates


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in, and what is written down of those who manage.

    Attributes:
        doors: Ask every caller who it is; None: everybody may do everything.
        keys: The keys, where callers are known by keys.
        audit: Where management acts are written down; None: nowhere.
        certificates: Of the server; None: no TLS.
    """

    doors: Doors | None = None
    keys: KnownKeys | None = None
    audit: Audit | None = None
    certificates: Certificates | None = None

    @property
    def by_certificate(self) -> bool:
        """Callers are asked for nothing else, but have certificates that tell their names."""
        return self.doors is None and self.certificates is not None and self.certificates.asks_clients
