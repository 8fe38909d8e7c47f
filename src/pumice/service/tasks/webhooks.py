"""Where webhooks may go, and how they are signed: the Standard Webhooks scheme (https://www.standardwebhooks.com).

A caller names a URL that the server then calls, so whoever may hand in tasks could reach what only the server can
reach. Therefore nothing is allowed that the operator has not allowed, and of a host that was not named in full only
public addresses are called.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pumice.domain.errors import BadSetting, MalformedInput, StorageFailed, Unsupported
from pumice.store.private_files import make_once

SECRET_FILE = "webhook.secret"  # noqa: S105 a file's name
"""File in the home with the secret that signs, if no setting gives one."""

MAX_URL = 2048
"""Longest URL (characters)."""

_PREFIX = "whsec_"
_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called, if its addresses may.

    Attributes:
        host: Its host.
        port: Its port.
        public: Only its public addresses may be called.
    """

    host: str
    port: int
    public: bool

    def admits(self, address: str) -> bool:
        """Whether an address of the host may be called."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(ip, "ipv4_mapped", None)
        ip = mapped or ip
        return not self.public or (ip.is_global and not ip.is_multicast)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where webhooks may go.

    Attributes:
        patterns: Names in full, ``*.`` and a domain for all below it, or ``*`` for all.
    """

    patterns: Sequence[str]

    @classmethod
    def of(cls, setting: str) -> Hosts:
        """Read a list with commas."""
        return cls([pattern.strip().lower() for pattern in setting.split(",") if pattern.strip()])

    def target(self, url: str) -> Target:
        """Hold a URL against the list.

        Raises:
            Unsupported: Nothing is allowed.
            MalformedInput: It is no URL, or its host is not allowed.
        """
        if not self.patterns:
            raise Unsupported("a webhook", "ask for the result; or let the operator set 'webhook_hosts'")
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            raise MalformedInput("'webhook'", "no URL") from None
        if parts.scheme not in _SCHEMES or not host or parts.username is not None or len(url) > MAX_URL:
            raise MalformedInput("'webhook'", f"expected http or https, a host, no user, at most {MAX_URL} characters")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise MalformedInput("'webhook'", "expected a URL of printable ASCII characters")
        named = host in self.patterns
        if not named and not any(_below(host, pattern) for pattern in self.patterns):
            raise MalformedInput("'webhook'", f"the host '{host}' is not among those that the operator allows")
        return Target(host, port or (443 if parts.scheme == "https" else 80), public=not named)


def _below(host: str, pattern: str) -> bool:
    return pattern == "*" or (pattern.startswith("*.") and host.endswith(pattern[1:]))


class Signer:
    """Signs with one secret, or with several while one takes the other's place.

    Args:
        setting: Secrets as ``whsec_`` and base64, with commas between them.

    Raises:
        BadSetting: One is no such secret.
    """

    def __init__(self, setting: str) -> None:
        self._keys = [_key(one.strip()) for one in setting.split(",")]

    def headers(self, message: str, at: float, body: bytes) -> dict[str, str]:
        """Sign a message.

        Args:
            message: Its id, the same with every try.
            at: The time (s since 1970).
            body: Its body.
        """
        content = f"{message}.{int(at)}.".encode() + body
        digests = (hmac.new(key, content, hashlib.sha256).digest() for key in self._keys)
        signature = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
        return {"webhook-id": message, "webhook-timestamp": str(int(at)), "webhook-signature": signature}


def _key(secret: str) -> bytes:
    allowed = f"'{_PREFIX}' and base64 of 24 to 64 random bytes"
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise BadSetting("webhook_secret", "something that is not base64", allowed) from None
    if not 24 <= len(key) <= 64:
        raise BadSetting("webhook_secret", f"{len(key)} bytes", allowed)
    return key


def trusted(file: str) -> ssl.SSLContext | None:
    """Read whom receivers over https are trusted by; None: whom httpx trusts, the public authorities.

    Args:
        file: The setting ``webhook_ca``: a PEM file, or nothing.

    Raises:
        BadSetting: The file cannot be read, or has no certificate in it.
    """
    if not file:
        return None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        allowed = "a PEM file of the authorities to trust"
        raise BadSetting("webhook_ca", f"{file!r} ({error.strerror or error})", allowed) from None


def home_secret(home: Path) -> str:
    """Read the home's own secret; it is made, for its user alone, if it is not there.

    Raises:
        StorageFailed: It cannot be read or made.
    """
    file = home / SECRET_FILE
    made = _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        if not file.exists():
            make_once(file, f"{made}\n".encode())
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise StorageFailed(str(file), error.strerror or str(error)) from error
