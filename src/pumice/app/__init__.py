"""The composition root: puts the parts together, starts and stops them."""

from __future__ import annotations

from pumice.app.names import with_names
from pumice.app.server import Server

__all__ = ["Server", "with_names"]
