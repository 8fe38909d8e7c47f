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

ApiKeyOption = Annotated[
    str | None, typer.Option(metavar="KEY", help="Key for a server that asks for one. [PUMICE_API_KEY]")
]
"""The option ``--api-key``."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to call instead of the one that means "all"


def default_url() -> str:
    """Return the address at which ``pumice serve`` answers with the same settings."""
    settings = load_settings({})
    host = _ANY.get(settings.host, settings.host)
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}"


def connect(url: str | None, timeout: float, api_key: str | None = None, *, retries: int = 3) -> Client:
    """Make a client.

    Args:
        url: The server; the default one if left out.
        timeout: Time for an operation with all its tries (s).
        api_key: Key to send; that of the settings if left out.
        retries: How often a request is sent again.

    Raises:
        BadSetting: The URL is none.
    """
    verify = load_settings({}).tls_ca or True
    return Client(url or default_url(), key_of(api_key), timeout=timeout, retries=retries, verify=verify)


def key_of(api_key: str | None) -> str | None:
    """Return the key to send: the one given, else that of the settings, if there is one."""
    return api_key or load_settings({}).api_key or None


def split_ref(ref: str) -> tuple[str, str]:
    """Split ``NAME@VERSION`` into name and version; the version is empty if there is none."""
    name, _, version = ref.partition("@")
    return name, version
