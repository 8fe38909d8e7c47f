"""What both faces need to put requests on the wire with httpx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import urlsplit

from pumice.client.flow import Broken, Link, Reply, Send
from pumice.client.retry import Retries
from pumice.domain.errors import BadSetting

if TYPE_CHECKING:
    import ssl

    import httpx

Verify = Union[bool, str, "ssl.SSLContext"]
"""How a server's certificate is looked at: against the system's authorities (True), those of a file (its path), by a
context, which may also bring a certificate of the client, or not at all (False)."""

CONNECT_S = 10.0
"""Longest wait for one connection (s); then another is tried."""

PART_BYTES = 1024 * 1024
"""Bytes of a long answer that are handed on at once."""

_SLICE = 256 * 1024

DEFAULT_TIMEOUT_S = 60.0
"""Time for an operation with all its tries (s)."""


def link_to(url: str, api_key: str | None, timeout: float, retries: int | Retries) -> Link:
    """Describe how a server is spoken to.

    Args:
        url: The server, for example ``http://127.0.0.1:8000``.
        api_key: Sent as bearer token if given.
        timeout: Time for an operation with all its tries (s).
        retries: How often a request is sent again, or how.

    Raises:
        BadSetting: The URL is not one of a web server, or the key or the timeout cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSetting("url", repr(url), "http://host:port or https://host:port")
    if not timeout > 0:
        raise BadSetting("timeout", repr(timeout), "seconds, above 0")
    headers = {"user-agent": "pumice"}
    if api_key:
        if not (api_key.isascii() and api_key.isprintable()):
            raise BadSetting("api_key", "characters that a header cannot carry", "printable ASCII characters")
        headers["authorization"] = f"Bearer {api_key}"
    policy = Retries(most=retries) if isinstance(retries, int) else retries
    return Link(url.rstrip("/"), headers, timeout, policy)


def http_options(link: Link, verify: Verify = True) -> dict[str, Any]:
    """Return the arguments with which an httpx client is made.

    Args:
        link: The server.
        verify: How its certificate is looked at.

    Raises:
        BadSetting: The file of authorities cannot be read.
    """
    options: dict[str, Any] = {"base_url": link.url, "follow_redirects": False}
    if not link.url.startswith("https:"):
        # loading the certificates of the world takes longer than many a call, and plain HTTP has no use for them
        return options | {"verify": False}
    if isinstance(verify, str):
        import ssl

        try:
            verify = ssl.create_default_context(cafile=verify)
        except OSError as error:
            allowed = "a PEM file of the authorities to trust"
            raise BadSetting("verify", f"{verify!r} ({error})", allowed) from None
    return options | {"verify": verify}


def request_options(send: Send) -> dict[str, Any]:
    """Return the arguments of httpx's ``request``."""
    import httpx

    timeout = httpx.Timeout(send.timeout_s, connect=min(send.timeout_s, CONNECT_S))
    call = send.call
    headers: Mapping[str, str] = send.headers
    if call.in_slices:
        headers = {**headers, "content-length": str(len(call.body))}
    return {"method": call.method, "url": call.path, "headers": headers, "content": call.body, "timeout": timeout}


def slices_of(body: bytes) -> Iterator[bytes]:
    """Cut a body into what one write takes."""
    for start in range(0, len(body), _SLICE):
        yield body[start : start + _SLICE]


def reply_of(response: httpx.Response) -> Reply:
    """Take over an answer that has been read."""
    return Reply(response.status_code, response.headers, response.content)


def broken_by(error: httpx.RequestError) -> Broken:
    """Say what an error of the transport means."""
    import httpx

    problem = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Broken(problem, sent=False)
    return Broken(problem, sent=True, timed_out=isinstance(error, httpx.TimeoutException))
