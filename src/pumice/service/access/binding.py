"""Who can reach an address; a server that others can reach asks who they are."""

from __future__ import annotations

import ipaddress
import socket

from pumice.domain.errors import BadSetting


def demand_auth(host: str, *, asks: bool, insecure: bool) -> None:
    """Refuse to listen beyond this machine without asking callers who they are.

    Args:
        host: Address or name to listen on.
        asks: Whether callers are asked.
        insecure: Whether the operator wants it all the same.

    Raises:
        BadSetting: The address can be reached from elsewhere, or nobody knows.
    """
    if asks or insecure or is_loopback(host):
        return
    mend = (
        "127.0.0.1; for others to reach it ask who they are ('--auth keys', see 'pumice keys create'), "
        "or let anyone in with '--insecure'"
    )
    raise BadSetting("host", f"{host!r} without authentication", mend)


def is_loopback(host: str) -> bool:
    """Whether an address, or every address of a name, is reached from this machine alone."""
    try:
        return _is_loopback(host)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(_is_loopback(str(place[0])) for *_, place in found)


def _is_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
