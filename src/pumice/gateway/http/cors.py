"""Cross-origin requests of browsers: none are allowed unless the operator names the origin.

Light on purpose (no framework): the hot path uses it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pumice.domain.errors import BadSetting

Pairs = list[tuple[bytes, bytes]]

_METHODS = b"GET, HEAD, POST, PUT, DELETE"
_SHOWN = (
    b"content-encoding, inference-header-content-length, location, preference-applied, retry-after, "
    b"x-model-version, x-request-id"
)
_MAX_AGE_S = b"600"
_VARY = (b"vary", b"origin")


class Cors:
    """The origins whose pages may call.

    Args:
        origins: Exact origins such as ``https://example.org``.

    Raises:
        BadSetting: One is no origin.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(_checked(origin).encode() for origin in origins)

    def headers_for(self, origin: bytes) -> Pairs:
        """Headers of an answer to a request from an origin (empty: from no page)."""
        if origin not in self._origins:
            return [_VARY]  # a cache must not give this answer to an origin that is allowed
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _SHOWN), _VARY]

    def preflight(self, method: str, headers: Mapping[str, str]) -> tuple[int, Pairs] | None:
        """Answer a browser's question whether a page may send a request.

        Args:
            method: Method of the request.
            headers: Its headers.

        Returns:
            Status and headers; None if it is no such question.
        """
        if method != "OPTIONS" or "origin" not in headers or "access-control-request-method" not in headers:
            return None
        origin = headers["origin"].encode("latin-1")
        if origin not in self._origins:
            return 403, [_VARY]
        wanted = headers.get("access-control-request-headers", "")
        return 204, [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", wanted.encode("latin-1")),
            (b"access-control-max-age", _MAX_AGE_S),
            (b"vary", b"origin, access-control-request-headers"),
        ]


def _checked(origin: str) -> str:
    scheme, separator, place = origin.partition("://")
    if (
        scheme not in ("http", "https")
        or not separator
        or not place
        or set(place) & set("/*?#@ ")
        or not origin.isascii()
    ):
        raise BadSetting("cors_origins", repr(origin), "exact origins such as https://example.org, without a path")
    return origin.lower()
