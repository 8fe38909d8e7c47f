"""Who may do what: verbs, scopes, and the callers that hold them."""

from __future__ import annotations

from enum import Enum


class Verb(Enum):
    """What a route or a method asks of its caller."""

    OPEN = "open"
    """Nothing: it answers without a key. Liveness and readiness only."""
    READ = "read"
    """To look: metadata, lists, metrics, pages."""
    INFER = "infer"
    """To run models, and to get what they gave."""
    MANAGE = "manage"
    """To change what is served, and who may come in."""
