"""uvicorn's httptools protocol with a short cut: whole inference requests go to a callback, all else to the app.

A request of the ASGI cycle costs a task, an event, a scope of a dozen entries, several awaits and a keep-alive timer;
here it costs an object. What uvicorn does well (parsing, pipelining, flow control, upgrades, draining) stays its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pumice.gateway.http.hot.exchange import Exchange, Handler, Head

_PAYLOAD_TOO_LARGE = STATUS_LINE[HTTPStatus.REQUEST_ENTITY_TOO_LARGE]

_DRAIN_LINGER = 1.0
"""How long an idle connection stays open when the server stops, so that a request on its way is not lost (s)."""

_MOST_HEADS = 512
"""Heads that are remembered; clients that send a new one each time only make the memory start again."""

_ONE_OFF = (b"x-request-id", b"traceparent", b"expect", b"transfer-encoding", b"upgrade")
"""Headers whose requests are not remembered: they differ each time, or need the parser's care."""

_HEAD_END = b"\r\n\r\n"


class HotRoute:
    """What goes the short way.

    Args:
        handler: Takes whole requests.
        suffix: End of their paths.
        max_body: Largest body (bytes).
        too_large: Gives the body of the answer to a larger one, from its size and the limit.

    Attributes:
        heads: Raw heads that were seen -> what they say, and the length of the body behind them (bytes).
    """

    def __init__(self, handler: Handler, suffix: bytes, max_body: int, too_large: Callable[[int, int], bytes]) -> None:
        self.handler = handler
        self.suffix = suffix
        self.max_body = max_body
        self.too_large = too_large
        self.heads: dict[bytes, tuple[Head, int]] = {}
        self._pairs: list[tuple[bytes, bytes]] | None = None
        self._joined = b""

    def remember(self, raw: bytes, head: Head, length: int) -> None:
        """Keep a head that was parsed, so that the same bytes need no parser again.

        Args:
            raw: The head's bytes.
            head: What was parsed of them.
            length: Of the body that follows (bytes).
        """
        if len(self.heads) >= _MOST_HEADS:
            self.heads.clear()
        self.heads[raw] = (head, length)

    def common_headers(self, pairs: list[tuple[bytes, bytes]]) -> bytes:
        """Join the headers that every answer carries; uvicorn makes a new list of them once a second."""
        if self._pairs is not pairs:
            self._pairs = pairs
            self._joined = b"".join(b"%s: %s\r\n" % pair for pair in pairs)
        return self._joined


class HotProtocol(HttpToolsProtocol):
    """One connection. Made by `hot_protocol`, which sets the route.

    Attributes:
        route: What goes the short way.
        caller: The peer's address; looked up once, since it is asked for with every request.
    """

    route: ClassVar[HotRoute]
    cycle: Any  # an Exchange, or the cycle of uvicorn

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.caller = ""
        self._draining = False
        self._between = True  # no request is half read
        self._active_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    # -- connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Watch the connection for idleness; one timer a connection, not one a request."""
        super().connection_made(transport)
        self.caller = self.client[0] if self.client else ""
        self._active_at = self.loop.time()
        self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the requests that nobody waits for any more."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)
        for cycle in (self.cycle, *(queued for queued, _ in self.pipeline)):
            if type(cycle) is Exchange and not cycle.response_complete:
                cycle.disconnected = True
                if cycle.abandoned is not None:
                    cycle.abandoned()
        self.pipeline.clear()

    def shutdown(self) -> None:
        """Answer what is open, and what comes within a moment, then close."""
        self._draining = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(_DRAIN_LINGER, self._close_idle)

    def _close_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _look_idle(self) -> None:
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy:
            self._active_at = self.loop.time()
        left = self._active_at + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            self.timeout_keep_alive_handler()
        else:
            self._idle_timer = self.loop.call_later(left, self._look_idle)

    # -- request

    def data_received(self, data: bytes) -> None:
        """Take a whole request whose head is known without parsing it; give all else to the parser.

        A head that the parser has taken between two requests says the same when its bytes come again between two.
        """
        if not self._between or (self.cycle is not None and not self.cycle.response_complete):
            super().data_received(data)
            return
        end = data.find(_HEAD_END) + len(_HEAD_END)
        raw = data[:end]
        known = self.route.heads.get(raw)
        if known is not None and len(data) - end == known[1] and not self._draining:
            self.cycle = exchange = Exchange(self, known[0], [data[end:]], keep_alive=True)
            exchange.complete = True
            self.route.handler(exchange)
            return
        before = self.cycle
        super().data_received(data)
        begun: Any = self.cycle
        if begun is not before and type(begun) is Exchange and self._between:
            self._remember(raw, begun.head, len(data) - end)

    def _remember(self, raw: bytes, head: Head, length: int) -> None:
        headers = head.headers
        plain = self.parser is not None and self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        if plain and headers.get(b"content-length") == b"%d" % length and not any(map(headers.get, _ONE_OFF)):
            self.route.remember(raw, head, length)

    def on_message_begin(self) -> None:
        """Begin a request; the scope is made only for those that go to the app."""
        self._between = False
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Decide which way the request goes."""
        path = self.url.partition(b"?")[0]
        if (
            path.endswith(self.route.suffix)
            and self.parser.get_method() == b"POST"
            and not self.parser.should_upgrade()
        ):
            self._begin_exchange(path)
            return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        super().on_headers_complete()
        if self._draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_body(body)
        elif not exchange.response_complete:
            size = exchange.add(body)
            if size > self.route.max_body:
                self._refuse(exchange, size)
            elif exchange.queued and size > HIGH_WATER_LIMIT:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Hand a whole request over."""
        self._between = True
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_message_complete()
            return
        exchange.complete = True
        if not exchange.queued and not exchange.response_complete:
            self.route.handler(exchange)

    def on_response_complete(self) -> None:
        """Go on with the next request of the pipeline."""
        self.server_state.total_requests += 1
        self._active_at = self.loop.time()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def common_headers(self) -> bytes:
        """The headers that every answer carries."""
        return self.route.common_headers(self.server_state.default_headers)

    def _begin_exchange(self, path: bytes) -> None:
        earlier = self.cycle
        keep_alive = not self._draining and self.parser.should_keep_alive()
        exchange = Exchange(self, Head(path, self.headers), [], keep_alive=keep_alive)
        self.cycle = exchange
        if earlier is not None and not earlier.response_complete:
            exchange.queued = True
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
            return
        if self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(exchange.head.headers.get(b"content-length", b"0"))
        if length > self.route.max_body:
            self._refuse(exchange, length)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if type(cycle) is not Exchange:
            super()._start_asgi_task(cycle, app)
            return
        cycle.queued = False
        if cycle.complete:
            self.route.handler(cycle)

    def _refuse(self, exchange: Exchange, size: int) -> None:
        # the rest of the body is not read, so the connection cannot be used again
        exchange.keep_alive = False
        body = self.route.too_large(size, self.route.max_body)
        exchange.respond(_PAYLOAD_TOO_LARGE, [b"content-type: application/json\r\n"], [body])


def hot_protocol(route: HotRoute) -> type[HotProtocol]:
    """Make the protocol class for ``uvicorn.Config(http=...)``."""
    return type("BoundHotProtocol", (HotProtocol,), {"route": route})
