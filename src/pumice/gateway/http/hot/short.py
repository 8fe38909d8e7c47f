"""The short way of a request: it is begun, held to its limits, and handed over or turned away."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pumice.domain.errors import Overloaded, PumiceError, TooLarge
from pumice.gateway.http.errors import oip_error, retry_after
from pumice.gateway.http.hot.connection import Connection
from pumice.gateway.http.hot.exchange import Exchange
from pumice.gateway.http.hot.old import without_chunks

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON = b"content-type: application/json\r\n"


class ShortWay(Connection):
    """A connection whose inference requests are exchanges, without the reading of them."""

    __slots__ = ()

    def _begin_exchange(self, path: bytes, fields: dict[bytes, bytes]) -> None:
        earlier, busy = self.cycle, self._busy()
        alive = self.parser.should_keep_alive()
        old = alive and self._version == "1.0"
        head = self.route.head_of(path, fields, keep_alive_1_0=old)
        exchange = Exchange(self, head, [], keep_alive=alive and not self._draining)
        self.cycle = exchange
        if busy:
            exchange.queued = True
            self.flow.pause_reading()
            if not self.pipeline:
                self._answered = earlier
            self.pipeline.appendleft((exchange, self.app))
            return
        self._begin_body(exchange)

    def _begin_body(self, exchange: Exchange) -> None:
        """Refuse a body that is told to be too large; else let it come."""
        limit = self.route.limits.max_body
        length = int(exchange.head.headers.get(b"content-length", b"0"))
        if length > limit:
            self._turn_away(exchange, TooLarge("the body", length, limit))
        elif not exchange.complete and expects(exchange.head.headers, self._version):
            self.transport.write(_CONTINUE)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if type(cycle) is not Exchange:
            super()._start_asgi_task(cycle, without_chunks(cycle, app) if cycle.scope["http_version"] == "1.0" else app)
            return
        cycle.queued = False
        if not cycle.complete:
            self._begin_body(cycle)
        else:
            self.route.handler(cycle)

    def has_room(self, exchange: Exchange, size: int) -> bool:
        """Look whether a body may be as large as it has become; if not, its request is refused."""
        limit = self.route.limits.max_body
        try:
            if size > limit:
                raise TooLarge("the body", size, limit)
            exchange.hold(size)
        except PumiceError as error:
            self._turn_away(exchange, error)
            return False
        return True

    def _turn_away(self, exchange: Exchange, error: PumiceError) -> None:
        """Answer a request whose body is not read to its end; the connection cannot be used again."""
        exchange.keep_alive = exchange.keep_alive and exchange.complete
        status = (
            HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, Overloaded) else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        )
        wait = retry_after(error)
        headers = [_JSON] if wait is None else [_JSON, b"retry-after: %s\r\n" % wait.encode()]
        exchange.respond(STATUS_LINE[status], headers, [oip_error(error)])


def expects(fields: Mapping[bytes, bytes], version: str) -> bool:
    """Whether a caller sends its body only when it is told to.

    Args:
        fields: Its headers.
        version: Of HTTP.
    """
    return version == "1.1" and fields.get(b"expect", b"").lower() == b"100-continue"
