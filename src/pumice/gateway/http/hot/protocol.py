"""uvicorn's httptools protocol with a short cut: whole inference requests go to a callback, all else to the app.

A request of the ASGI cycle costs a task, an event, a scope of a dozen entries, several awaits and a keep-alive timer;
here it costs an object. What uvicorn does well (flow control, the cycle of an app's request, draining) stays its own.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from pumice.domain.errors import Overloaded, PumiceError, TooLarge
from pumice.gateway.http.budget import FREE_BYTES
from pumice.gateway.http.errors import oip_error, retry_after
from pumice.gateway.http.hot.connection import Connection
from pumice.gateway.http.hot.exchange import Exchange, Head
from pumice.gateway.http.hot.heads import checked_fields, path_of
from pumice.gateway.http.hot.limits import CHUNK_SLACK_BYTES, MAX_HEAD_BYTES
from pumice.gateway.http.hot.refusals import Refused, parser_refusal
from pumice.gateway.http.hot.route import HotRoute

_PIECE = 4096
"""How much is parsed at a time where a request may end in it (bytes): bounds the requests that wait in a pipeline."""

_ONE_OFF = (b"x-request-id", b"traceparent", b"expect", b"transfer-encoding", b"upgrade")
"""Headers whose requests are not remembered: they differ each time, or need the parser's care."""

_HEAD_END = b"\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_JSON = b"content-type: application/json\r\n"


class HotProtocol(Connection):
    """One connection and the reading of its requests. Made by `hot_protocol`, which sets the route."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._body_left = 0  # of a body whose length was told
        self._body_size = 0  # of a body that comes in chunks
        self._chunked = False
        self._offered = False  # another protocol, for what is behind this head
        self._head_taken = False  # what the parser reads is made up, to bring it to the body

    def data_received(self, data: bytes) -> None:
        """Take a whole request whose head is known without parsing it; give all else to the parser.

        A head that the parser has taken between two requests says the same when its bytes come again between two.
        """
        if not self._between or (self.cycle is not None and not self.cycle.response_complete) or self._deaf_since:
            self._read(data)
            return
        end = data.find(_HEAD_END) + len(_HEAD_END)
        raw = data[:end]
        known = self.route.heads.get(raw)
        if known is not None and len(data) - end == known[1] and not self._draining:
            self.cycle = exchange = Exchange(self, known[0], [data[end:]], keep_alive=True)
            exchange.complete = True
            self._version = "1.1"  # no other head is remembered; who is gone is found out by it
            if known[1] <= FREE_BYTES or self._has_room(exchange, known[1]):
                self.route.handler(exchange)
            return
        before = self.cycle
        self._read(data)
        begun: Any = self.cycle
        if begun is not before and type(begun) is Exchange and self._between:
            self._remember(raw, begun.head, len(data) - end)

    def _read(self, data: bytes) -> None:
        """Parse, or keep for later what comes while an earlier request is in work."""
        if self._deaf_since:
            return
        if self.pipeline or self._unread:
            self._unread += data
            self.flow.pause_reading()
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        """Parse piece by piece, and stop where requests begin to wait for each other."""
        rest = memoryview(data)
        while rest and not self._deaf_since and not self.transport.is_closing():
            if self.pipeline:
                self._unread = bytes(rest)
                return
            step = max(_PIECE, self._body_left)
            self._received += len(rest[:step])
            self._parse(rest[:step])
            rest = rest[step:]
        if not self._between:
            self._check_growth()

    def _parse(self, data: memoryview) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # RFC 9110, 7.8: a server may ignore that its caller would rather speak something else
            if self._offered:
                self._go_on_with_body()
            behind = data[upgrade.args[0] :]
            if behind:
                self._parse(behind)
        except httptools.HttpParserError as error:
            self.refuse(parser_refusal(error, bytes(data[:1])))

    def _go_on_with_body(self) -> None:
        """Read the body behind an upgrade that is not taken up: the parser holds it for the other protocol's."""
        self._offered = False
        framing = b"transfer-encoding: chunked" if self._chunked else b"content-length: %d" % self._body_left
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._head_taken = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        self._head_taken = False

    def _check_growth(self) -> None:
        """Refuse a head, or what stands between the chunks of a body, that grows without end."""
        if self._in_head:
            if self._received > MAX_HEAD_BYTES:
                self.refuse(Refused(431, f"the head of the request has more than {MAX_HEAD_BYTES} bytes"))
        elif self.cycle.response_complete:
            if self._received > self.route.limits.max_body:
                self.transport.close()  # nobody reads what still comes
        elif self._chunked and self._received > 2 * self._body_size + CHUNK_SLACK_BYTES:
            self.refuse(Refused(400, "the chunks of the body are smaller than what stands between them"))

    def _remember(self, raw: bytes, head: Head, length: int) -> None:
        headers = head.headers
        plain = self.parser is not None and self.parser.should_keep_alive() and self._version == "1.1"
        if plain and headers.get(b"content-length") == b"%d" % length and not any(map(headers.get, _ONE_OFF)):
            self.route.remember(raw, head, length)

    # -- what the parser calls

    def on_message_begin(self) -> None:
        """Begin a request; the scope is made only for those that go to the app."""
        if self._head_taken:
            return
        self._between = False
        self._in_head = True
        self._began = self.route.sweep.clock
        self._received = 0
        self._body_left = self._body_size = 0
        self._chunked = False
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those behind a body, which nobody here reads, are dropped."""
        if self._in_head:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Decide which way the request goes."""
        if self._head_taken:
            return
        method = self.parser.get_method()
        self._version = self.parser.get_http_version()
        fields = checked_fields(self.url, self.headers, self._version, within=self._received <= MAX_HEAD_BYTES - _PIECE)
        self._chunked = b"transfer-encoding" in fields
        self._in_head = False
        self._body_left = int(fields.get(b"content-length", b"0"))
        self._offered = (self._chunked or self._body_left > 0) and self.parser.should_upgrade()
        path = self.url.partition(b"?")[0]
        if path[:1] != b"/" and path != b"*":
            path = path_of(self.url, method)
        if path.endswith(self.route.suffix) and method == b"POST":
            self._begin_exchange(path, fields)
            return
        url, headers, earlier, busy = self.url, self.headers, self.cycle, self._busy()
        super().on_message_begin()
        self.url, self.expect_100_continue = url, self._expects(fields)
        self.headers.extend(headers)
        if self.route.by_certificate:
            self.scope["state"]["certified"] = self.caller
        super().on_headers_complete()
        if busy and len(self.pipeline) == 1:
            self._answered = earlier
        if self._draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._body_left:
            self._body_left -= len(body)
        else:
            self._body_size += len(body)
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_body(body)
        elif not exchange.response_complete:
            size = exchange.add(body)
            if not exchange.queued:
                self._has_room(exchange, size)

    def on_message_complete(self) -> None:
        """Hand a whole request over."""
        if self._offered:
            return  # its body is still to come
        self._between = True
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_message_complete()
            return
        exchange.complete = True
        if not exchange.queued and not exchange.response_complete:
            self.route.handler(exchange)

    def common_headers(self) -> bytes:
        """The headers that every answer carries."""
        return self.route.common_headers(self.server_state.default_headers)

    def _expects(self, fields: dict[bytes, bytes]) -> bool:
        """Whether the caller sends its body only when it is told to."""
        expected = fields.get(b"expect", b"").lower() == b"100-continue"
        return expected and self._version == "1.1"

    # -- the short way

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
        elif not exchange.complete and self._expects(exchange.head.headers):
            self.transport.write(_CONTINUE)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if type(cycle) is not Exchange:
            super()._start_asgi_task(cycle, app)
            return
        cycle.queued = False
        if not cycle.complete:
            self._begin_body(cycle)
        else:
            self.route.handler(cycle)

    def _has_room(self, exchange: Exchange, size: int) -> bool:
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


def hot_protocol(route: HotRoute) -> type[HotProtocol]:
    """Make the protocol class for ``uvicorn.Config(http=...)``."""
    return type("BoundHotProtocol", (HotProtocol,), {"route": route})
