"""The composition root: puts the parts together, starts and stops them."""

from __future__ import annotations

from pumice.app.descriptors import fit_connections, raise_limit, tell_connections
from pumice.app.names import with_names
from pumice.app.parent import Parent
from pumice.app.server import Server
from pumice.config import Settings

__all__ = [
    "Parent",
    "Server",
    "fit_connections",
    "make_server",
    "raise_limit",
    "tell_connections",
    "with_names",
]


def make_server(settings: Settings, environ: dict[str, str]) -> Server | Parent:
    """Make a server of one front process or of several, as the settings say; its replicas load from here on.

    Args:
        settings: All settings.
        environ: The environment that replicas get.

    Raises:
        SetupError: A model's source or settings cannot be used.
    """
    return Parent(settings, environ) if settings.workers > 1 else Server(settings, environ)
