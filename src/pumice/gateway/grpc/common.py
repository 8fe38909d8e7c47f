"""What all connections of the server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pumice.gateway.grpc.guard import Guard
from pumice.gateway.grpc.heads import Head
from pumice.gateway.grpc.methods import Methods
from pumice.gateway.http.budget import Budget
from pumice.gateway.http.hot.limits import HttpLimits
from pumice.gateway.http.hot.sweep import Sweep
from pumice.protocol.http2.header_blocks import Fields
from pumice.protocol.http2.values import Limits
from pumice.service.access.access import Access

if TYPE_CHECKING:
    from pumice.gateway.grpc.connection import Connection


class Common:
    """What all connections share.

    Args:
        methods: What the server offers.
        access: Who may come in, and what is written down of those who manage.
        limits: What a connection may take; bodies are messages.
        budget: What all bodies may take together.

    Attributes:
        guard: Asks every call who it is; None: everybody may do everything.
        audit: Where management acts are written down; None: nowhere.
        by_certificate: The names in the callers' certificates are theirs.
        secure: Connections are of TLS.
        limits: See above.
        budget: See above.
        http2: What a connection may take, in the words of HTTP/2.
        window: What may be on its way to us on one stream (bytes).
        max_message: Largest message of a caller (bytes).
        connections: Those that are open.
        sweep: Looks after the connections.
    """

    def __init__(self, methods: Methods, access: Access, limits: HttpLimits, budget: Budget) -> None:
        self._methods = methods
        self.guard = None if access.doors is None else Guard(access.doors)
        self.audit = access.audit
        self.by_certificate = access.by_certificate
        self.secure = access.certificates is not None
        self.limits = limits
        self.budget = budget
        self.http2 = Limits()
        self.window = self.http2.window
        self.max_message = limits.max_body
        self.connections: set[Connection] = set()
        self.sweep = Sweep()

    def head_of(self, fields: Fields) -> Head:
        """Read a head, or remember how it read."""
        head = fields.notes
        if type(head) is Head:
            return head
        fields.notes = head = Head(fields, self._methods, self.http2.header_list)
        return head
