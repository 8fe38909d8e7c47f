"""uvicorn's httptools protocol with a short cut: whole inference requests go to a callback, all else to the app.

A request of the ASGI cycle costs a task, an event, a scope of a dozen entries, several awaits and a keep-alive timer;
here it costs an object. What uvicorn does well (flow control, the cycle of an app's request, draining) stays its own.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from pumice.gateway.http.budget import FREE_BYTES
from pumice.gateway.http.hot.exchange import Exchange, Head
from pumice.gateway.http.hot.heads import checked_fields, path_of
from pumice.gateway.http.hot.large import LARGE_BYTES, LargeReader, comes_straight
from pumice.gateway.http.hot.limits import CHUNK_SLACK_BYTES, MAX_HEAD_BYTES
from pumice.gateway.http.hot.refusals import Refused, parser_refusal
from pumice.gateway.http.hot.route import HotRoute
from pumice.gateway.http.hot.short import ShortWay, expects

_PIECE = 4096
"""How much is parsed at a time where a request may end in it (bytes): bounds the requests that wait in a pipeline."""

_ONE_OFF = (b"x-request-id", b"traceparent", b"expect", b"transfer-encoding", b"upgrade")
"""Headers whose requests are not remembered: they differ each time, or need the parser's care."""

_HEAD_END = b"\r\n\r\n"


class HotProtocol(ShortWay):
    """One connection and the reading of its requests. Made by `hot_protocol`, which sets the route.

    Attributes:
        reader: Reads in its place, where a large body comes or may come next.
    """

    __slots__ = ("_body_left", "_body_size", "_chunked", "_head_taken", "_offered", "_parsed", "reader")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reader: LargeReader | None = None
        self._body_left = 0  # of a body whose length was told
        self._body_size = 0  # of a body that comes in chunks
        self._chunked = False
        self._offered = False  # another protocol, for what is behind this head
        self._head_taken = False  # what the parser reads is made up, to bring it to where its request is
        self._parsed = False  # the parser has seen the head of the request that is half read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; the first request may have a large body."""
        super().connection_made(transport)
        LargeReader(self).stand_in()

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
        if known is not None and not self._draining:
            head, length = known
            left = length - len(data) + end
            if not left:
                self.cycle = exchange = Exchange(self, head, [data[end:]], keep_alive=True)
                exchange.complete = True
                self._version = "1.1"  # no other head is remembered; who is gone is found out by it
                if length <= FREE_BYTES or self.has_room(exchange, length):
                    self.route.handler(exchange)
                return
            if left >= LARGE_BYTES and comes_straight(head):
                self._begin_known(head, length, end)
                self._read_straight(memoryview(data)[end:])
                return
        before = self.cycle
        self._read(data)
        begun: Any = self.cycle
        if begun is not before and type(begun) is Exchange and (self._body_left or self._between):
            self._remember(raw, begun.head, len(data) - end + self._body_left)

    def _begin_known(self, head: Head, length: int, received: int) -> None:
        """Begin a request whose head the parser need not see.

        Args:
            head: What it says.
            length: Of the body (bytes).
            received: Size of the head (bytes).
        """
        self.on_message_begin()
        self._parsed = self._in_head = False
        self._version = "1.1"
        self._received = received
        self._body_left = length
        self.url = head.path
        self.cycle = Exchange(self, head, [], keep_alive=True)

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
        while not self._deaf_since and not self.transport.is_closing():
            if self._body_left - len(rest) >= LARGE_BYTES and self._read_straight(rest):
                return
            if not rest:
                break
            if self.pipeline:
                self._unread = bytes(rest)
                return
            step = max(_PIECE, self._body_left)
            self._received += len(rest[:step])
            self._parse(rest[:step])
            rest = rest[step:]
        if not self._between:
            self._check_growth()

    def _read_straight(self, rest: memoryview) -> bool:
        """Let a large body come past the parser; False if this one may not.

        Args:
            rest: What is there of it and was not looked at yet.
        """
        exchange: Any = self.cycle
        if type(exchange) is not Exchange or exchange.queued or self._offered or not comes_straight(exchange.head):
            return False
        reader = self.reader or LargeReader(self)
        reader.begin(exchange, self._body_left, rest)
        return True

    def body_came(self, size: int) -> None:
        """Count a part of a large body (bytes)."""
        self._received += size
        self._body_left -= size

    def body_whole(self) -> None:
        """Hand over a request whose large body has come."""
        if self._parsed:
            # one that waits for this body cannot read the next request
            close = b"" if self.parser.should_keep_alive() else b"\r\nconnection: close"
            self._renew_parser(b"content-length: 0" + close)
        self.on_message_complete()

    def _parse(self, data: memoryview) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # RFC 9110, 7.8: a server may ignore that its caller would rather speak something else
            if self._offered:
                # the parser holds the body for the other protocol's
                self._offered = False
                told = b"transfer-encoding: chunked" if self._chunked else b"content-length: %d" % self._body_left
                self._renew_parser(told)
            behind = data[upgrade.args[0] :]
            if behind:
                self._parse(behind)
        except httptools.HttpParserError as error:
            self.refuse(parser_refusal(error, bytes(data[:1])))

    def _renew_parser(self, fields: bytes) -> None:
        """Take a new parser, which has read a head with these fields."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._head_taken = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % fields)
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
        self._parsed = True
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
        self.url, self.expect_100_continue = url, expects(fields, self._version)
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
                self.has_room(exchange, size)

    def on_message_complete(self) -> None:
        """Hand a whole request over."""
        if self._offered or self._head_taken:
            return  # its body is still to come, or its end is told by another
        self._between = True
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_message_complete()
            return
        exchange.complete = True
        if not exchange.queued and not exchange.response_complete:
            self.route.handler(exchange)

    def _forget_half_read(self) -> None:
        if self.reader is not None:
            self.reader.leave()
        super()._forget_half_read()


def hot_protocol(route: HotRoute) -> type[HotProtocol]:
    """Make the protocol class for ``uvicorn.Config(http=...)``."""
    return type("BoundHotProtocol", (HotProtocol,), {"route": route})
