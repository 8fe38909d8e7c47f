"""Which server a command speaks to, and how a model is named there."""

from __future__ import annotations

from typing import Annotated

import typer

from pumice.client import Client
from pumice.config import load_settings

UrlOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The server. [the host and port of the settings: http://127.0.0.1:8000]"),
]
"""The option ``--url``."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to call instead of the one that means "all"


def default_url() -> str:
    """Return the address at which ``pumice serve`` answers with the same settings."""
    settings = load_settings({})
    host = _ANY.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def connect(url: str | None, timeout: float) -> Client:
    """Make a client.

    Args:
        url: The server; the default one if left out.
        timeout: Time for an operation with all its tries (s).

    Raises:
        BadSetting: The URL is none.
    """
    return Client(url or default_url(), timeout=timeout)


def split_ref(ref: str) -> tuple[str, str]:
    """Split ``NAME@VERSION`` into name and version; the version is empty if there is none."""
    name, _, version = ref.partition("@")
    return name, version
