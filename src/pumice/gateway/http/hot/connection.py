"""The life of a connection: how long it may take for what, what is owed to its caller, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, ClassVar, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pumice.gateway.http.hot.exchange import Exchange
from pumice.gateway.http.hot.limits import LINGER_S, TOLD_AT_ONCE, HttpLimits
from pumice.gateway.http.hot.refusals import Refused, last_words, too_many_connections, too_slow_body, too_slow_head
from pumice.gateway.http.hot.route import HotRoute
from pumice.gateway.http.hot.sweep import Watched
from pumice.service.access.tls import subject_of

_DRAIN_LINGER = 1.0
"""How long an idle connection stays open when the server stops, so that a request on its way is not lost (s)."""

_TURNS = 64
"""Pipelined requests that are begun before other connections have their turn."""

_ASK_FOR = 0.05
"""How long a caller that has closed its half of the connection has to show that it is gone (s)."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TCP_CLOSE = 7  # the state of a connection that the other side has reset
_TCP_CLOSE_WAIT = 8  # and of one whose other side sends no more


class Connection(HttpToolsProtocol):
    """One connection, without the reading of requests.

    Answers go out in the order of their requests: one request is answered at a time, those behind it wait in
    ``pipeline``, and what is not parsed yet in ``_unread``, while nothing more is read from the socket.

    Attributes:
        route: What all connections share.
        caller: The name in the peer's certificate, or its address; looked up once, since every request asks for it.
    """

    # uvicorn's names nearly fill what CPython finds without searching a dictionary: the first 30 of a class
    __slots__ = (
        "_active_at",
        "_advancing",
        "_answered",
        "_asked",
        "_began",
        "_between",
        "_deaf_since",
        "_draining",
        "_half_closed",
        "_in_head",
        "_received",
        "_refusal",
        "_stuck_since",
        "_stuck_with",
        "_unread",
        "_version",
        "caller",
    )

    route: ClassVar[HotRoute]
    cycle: Any  # the request that was begun last: an Exchange, or the cycle of uvicorn
    pipeline: Any  # of such requests, each with its app

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.url = b""
        self.caller = ""
        self._draining = False
        self._between = True  # no request is half read
        self._in_head = False  # a head is half read
        self._version = ""  # of HTTP, that the last request spoke
        self._began = 0.0  # when the request that is half read began
        self._received = 0  # bytes since then
        self._active_at = 0.0
        self._answered: Any = None  # the request in work, while others are in the pipeline
        self._unread = b""
        self._advancing = False
        self._refusal: Refused | None = None  # to be told when all before it is answered
        self._deaf_since = 0.0  # from then on what comes is thrown away; 0: it is read
        self._half_closed = False
        self._asked = False  # whether its caller is still there
        self._stuck_since = 0.0  # from then on the caller has not taken its answer; 0: it has
        self._stuck_with = 0

    # -- begin and end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless too many are open."""
        super().connection_made(transport)
        self.caller = self.client[0] if self.client else ""
        if self.route.by_certificate:
            self.caller = f"cert:{subject_of(transport.get_extra_info('peercert'))}"
        route = self.route
        route.sweep.watch(self.loop, cast("set[Watched]", self.connections))
        self._active_at = route.sweep.clock
        over = len(self.connections) - route.limits.max_connections
        if over > TOLD_AT_ONCE:
            transport.abort()
        elif over > 0:
            self._say_last(too_many_connections(route.limits))

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the requests that nobody waits for any more."""
        super().connection_lost(exc)
        for cycle in (self.cycle, self._answered, *(queued for queued, _ in self.pipeline)):
            _drop(cycle)
        self.pipeline.clear()
        self._unread = b""

    def shutdown(self) -> None:
        """Answer what is open, and what comes within a moment, then close."""
        self._draining = True
        if self._busy():
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(_DRAIN_LINGER, lambda: None if self._busy() else self.transport.close())

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn never keeps one half open
        """The caller sends no more: it may still wait for answers, or be gone.

        Both look the same until something is sent to it. An interim answer does no harm to one that waits, and makes
        the system of one that is gone reset the connection.
        """
        if not self._between:
            self._forget_half_read()
        if self._deaf_since or not self._busy() or self.scheme == "https":
            return False
        self._half_closed = True
        self._look_gone()
        return True

    def hang_up(self, *, heard: bool) -> None:
        """Close when what was written is sent.

        Args:
            heard: The caller has sent all that it wants to; else it is heard out for a moment.
        """
        if heard or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._deaf_since = self.loop.time()
        self.transport.write_eof()
        self.flow.resume_reading()

    def refuse(self, refused: Refused) -> None:
        """Read nothing more, answer what came before, then say why, and close."""
        self._unread = b""
        self._deaf_since = self.loop.time()
        self.flow.pause_reading()
        if not self._between:
            if not self._in_head and getattr(self.cycle, "response_started", False):
                self.hang_up(heard=False)  # it is answered already, or half so: nothing can be said any more
                return
            self._forget_half_read()
        self._refusal = refused
        self._advance()

    def _say_last(self, refused: Refused) -> None:
        path = self.url.decode("latin-1")
        common = self.route.common_headers(self.server_state.default_headers)
        self.transport.write(last_words(refused, path, common))
        self.hang_up(heard=False)

    def _forget_half_read(self) -> None:
        """The rest of a request will not come: nobody is to wait for it."""
        self._between = True
        if self._in_head or self.cycle is None:
            return
        if self.pipeline:
            self.pipeline.popleft()
        _drop(self.cycle)
        self.cycle = self.pipeline[0][0] if self.pipeline else self._answered

    # -- one after the other

    def _busy(self) -> bool:
        """Whether a request is not answered yet."""
        cycle = self._answered if self.pipeline else self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.disconnected)

    def on_response_complete(self) -> None:
        """Go on with the next request of the pipeline."""
        self.server_state.total_requests += 1
        self._active_at = self.route.sweep.clock
        if self.transport.is_closing():
            return
        if self.pipeline or self._unread or self._deaf_since or self._half_closed or self.flow.write_paused:
            self._advance()
        elif self.flow.read_paused:
            self.flow.resume_reading()

    def resume_writing(self) -> None:
        """The caller takes its answer: go on."""
        super().resume_writing()
        self._stuck_since = 0.0
        self._advance()

    def pause_writing(self) -> None:
        """The caller does not take its answer: read no more of it."""
        super().pause_writing()
        self.flow.pause_reading()

    def _advance(self) -> None:
        """Begin what waits, as long as nothing before it is open."""
        if self._advancing:
            return  # a request was answered at once: the loop below goes on
        self._advancing = True
        try:
            for _ in range(_TURNS):
                if self.transport.is_closing() or self.flow.write_paused or not self._step():
                    return
            self.loop.call_soon(self._advance)
        finally:
            self._advancing = False

    def _step(self) -> bool:
        """Do the next thing; whether there may be another."""
        if self._busy():
            if self._between or self.pipeline:
                return False
            if not self._unread:
                self.flow.resume_reading()  # the rest of its body is still to come
                return False
            data, self._unread = self._unread, b""
            self._feed(data)
            return True
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._answered = cycle
            self._start_asgi_task(cycle, app)
            return True
        self._answered = None
        if self._unread:
            data, self._unread = self._unread, b""
            self._feed(data)
            return True
        if self._refusal is not None:
            refused, self._refusal = self._refusal, None
            self._say_last(refused)
        elif self._half_closed:
            self.transport.close()
        else:
            self.flow.resume_reading()
        return False

    def _feed(self, data: bytes) -> None:
        """Parse; the part of the class that reads requests does it."""
        raise NotImplementedError

    # -- time

    def look(self, now: float) -> None:
        """End it if it takes too long for what it does.

        Args:
            now: The loop's clock (s).
        """
        if self._look_stuck(now):
            return
        limits = self.route.limits
        if self._half_closed:
            self._look_gone()
        elif self._deaf_since:
            self._look_deaf(now)
        elif self._busy() and self._between:
            self._active_at = now
            if self.flow.read_paused:
                self._look_gone()  # the end of what it sends is not heard
        elif self._between:
            if now - self._active_at > limits.idle_timeout:
                self.transport.close()
        elif self.flow.read_paused:
            self._began = now  # it is we who keep it waiting
        else:
            late = _late(now - self._began, self._received if not self._in_head else None, limits)
            if late is not None:
                self.refuse(late)

    def _look_deaf(self, now: float) -> None:
        if self._refusal is None and now - self._deaf_since > LINGER_S:
            self.transport.abort()

    def _look_stuck(self, now: float) -> bool:
        """Whether there is no more to look at: it closes, or its caller has left its answer unread for too long."""
        waiting = self.transport.get_write_buffer_size()
        closing = self.transport.is_closing()
        if not waiting:
            self._stuck_since = 0.0
            return closing
        if not self._stuck_since or waiting > self._stuck_with:
            self._stuck_since, self._stuck_with = self._stuck_since or now, waiting
        limits = self.route.limits
        if now - self._stuck_since <= limits.send_timeout + (self._stuck_with - waiting) / limits.min_rate:
            return closing
        self.transport.abort()
        return True

    def _look_gone(self) -> None:
        """Drop the work for a caller that has closed the whole connection, not just its half."""
        if self.transport.is_closing() or not hasattr(socket, "TCP_INFO"):
            return
        state = self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state == _TCP_CLOSE:
            self.transport.abort()
        elif state == _TCP_CLOSE_WAIT and not self._asked:
            self._asked = True
            begun = getattr(self._answered if self.pipeline else self.cycle, "response_started", False)
            if not begun and self._version == "1.1":
                self.transport.write(_CONTINUE)
            self.loop.call_later(_ASK_FOR, self._look_gone)


def _drop(cycle: Any) -> None:
    """Let go of a request that nobody waits for any more."""
    if cycle is None or cycle.response_complete:
        return
    cycle.disconnected = True
    if type(cycle) is Exchange:
        cycle.release()
        if cycle.abandoned is not None:
            cycle.abandoned()
    else:
        cycle.message_event.set()


def _late(took: float, received: int | None, limits: HttpLimits) -> Refused | None:
    """Whether the rest of a request is overdue.

    Args:
        took: Time since it began (s).
        received: Of its body (bytes); None: its head is not there yet.
        limits: What it may take.
    """
    if received is None:
        return too_slow_head(limits) if took > limits.header_timeout else None
    return too_slow_body(limits) if took > limits.body_timeout + received / limits.min_rate else None
