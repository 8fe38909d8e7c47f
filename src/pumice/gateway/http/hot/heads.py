"""Heads of requests: what HTTP and our limits allow in them."""

from __future__ import annotations

import httptools

from pumice.gateway.http.hot.limits import MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from pumice.gateway.http.hot.refusals import Refused


def checked_fields(
    target: bytes, headers: list[tuple[bytes, bytes]], version: str, *, within: bool
) -> dict[bytes, bytes]:
    """Return the headers by name; those of one name joined.

    Args:
        target: Path and query.
        headers: Names in lower case, and values.
        version: Of HTTP.
        within: The head is surely smaller than its limit.

    Raises:
        Refused: They are too many or too long, or contradict each other.
    """
    _check_sizes(target, headers, within=within)
    if version not in {"1.0", "1.1"}:
        raise Refused(505, "this port speaks HTTP/1.0 and HTTP/1.1")
    fields = dict(headers)
    if len(fields) < len(headers):
        fields = _joined(headers)
    if version == "1.1" and b"host" not in fields:
        raise Refused(400, "a request of HTTP/1.1 needs the header 'Host'")
    coding = fields.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise Refused(501, f"transfer coding '{coding[:32].decode('latin-1')}'; only 'chunked' is read")
    if coding is not None and version == "1.0":
        raise Refused(400, "HTTP/1.0 has no chunks; send 'Content-Length'")  # RFC 9112, 6.1: faulty framing
    return fields


def path_of(target: bytes, method: bytes) -> bytes:
    """Return the path of a target that names its server too.

    Raises:
        Refused: It asks for another server.
    """
    if method == b"CONNECT":
        raise Refused(501, "this server is no proxy")
    path: bytes | None = httptools.parse_url(target).path
    return path or b"/"


def _check_sizes(target: bytes, headers: list[tuple[bytes, bytes]], *, within: bool) -> None:
    if not within:
        size = len(target) + sum(len(name) + len(value) for name, value in headers)
        if size > MAX_HEAD_BYTES:
            raise Refused(431, f"the head of the request has {size} bytes; at most {MAX_HEAD_BYTES} are taken")
    if len(headers) > MAX_HEADERS:
        raise Refused(431, f"the request has {len(headers)} headers; at most {MAX_HEADERS} are taken")
    if len(target) > MAX_TARGET_BYTES:
        raise Refused(414, f"the target has {len(target)} bytes; at most {MAX_TARGET_BYTES} are taken")


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Join the values of headers that come several times, as HTTP has it."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if name == b"host" and name in fields:
            raise Refused(400, "the header 'Host' comes twice")
        fields[name] = b"%b, %b" % (fields[name], value) if name in fields else value
    return fields
