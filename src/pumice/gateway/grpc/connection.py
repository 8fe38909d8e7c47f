"""One connection: the socket, the clock, and the end; what is said over it is the session's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

from pumice.domain.access import ANYBODY
from pumice.gateway.grpc.calls import Call
from pumice.gateway.grpc.common import Common
from pumice.gateway.grpc.replies import Reply
from pumice.gateway.grpc.share import Share
from pumice.gateway.grpc.watch import PING, Watch
from pumice.gateway.http.hot.limits import LINGER_S
from pumice.protocol.http2.frames import ping_frame
from pumice.protocol.http2.header_blocks import Fields
from pumice.protocol.http2.session import Session
from pumice.protocol.http2.values import Code, ConnectionFault
from pumice.service.access.tls import subject_of

_LEAVE_S = 1.0
"""How long calls that are on their way when the server stops are still taken (s)."""

_JOIN_BELOW = 256 * 1024
"""What goes out at once below this goes as one piece; joining more would copy it once more (bytes)."""

_HIGH_WATER = 512 * 1024
"""What may wait in the socket's buffer before answers are held back (bytes)."""


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        common: What all connections share.

    Attributes:
        common: See above.
        session: What is said.
        share: What its messages take of the budget.
        address: Of the peer, as HTTP names it; empty where it has none.
        principal: Who calls, unless a key or token says it.
        runs: Names of models that such callers were seen to be allowed to run.
        ended: Nothing more is heard or said.
    """

    transport: asyncio.Transport

    def __init__(self, common: Common) -> None:
        self.common = common
        self.session: Session[Reply] = Session(self._begin, common.http2)
        self.share = Share(common.budget)
        self.address = ""
        self.principal = ANYBODY
        self.runs: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._flushing = False
        self.ended = False
        self._leaving = False
        self._watch = Watch(self)

    # -- begin and end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless too many are open or the peer has not agreed to speak HTTP/2."""
        common = self.common
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        common.connections.add(self)
        common.sweep.watch(self._loop, common.connections)
        self._watch.heard(self._loop.time())
        if common.secure and transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            self.transport.abort()
            return
        if common.by_certificate:
            name = subject_of(transport.get_extra_info("peercert"))
            self.principal = replace(ANYBODY, caller=f"cert:{name}" if name else "")
        self.touch()
        most = common.limits.max_connections
        if len(common.connections) > most:
            self.fail(ConnectionFault(Code.ENHANCE_YOUR_CALM, f"{most} connections are open, which is the most"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the calls that nobody waits for any more."""
        del exc
        self.ended = True
        self.common.connections.discard(self)
        self._drop_all()
        self.session.out.clear()

    def leave(self) -> None:
        """Take no new calls, after those that are on their way, and close when all are answered."""
        if self._leaving or self.ended:
            return
        self._leaving = True
        self.session.pong = b""  # of an earlier ping
        self.session.leave(last=False)
        self.session.out.append(ping_frame(PING))
        self._loop.call_later(_LEAVE_S, self._last_call)
        self.touch()

    def cut(self) -> None:
        """End all calls, and the connection."""
        for call in self.calls():
            call.stopping()
        self.session.leave(last=True)
        self._flush()
        if not self.ended:
            self.ended = True
            self.transport.close()
            self._loop.call_later(LINGER_S, self.transport.abort)

    def _last_call(self) -> None:
        if not self.session.leaving and not self.ended:
            self.session.leave(last=True)
            self.touch()

    def fail(self, fault: ConnectionFault) -> None:
        """Say what is wrong, and close; the peer is heard out for a moment, or TCP would throw away what it is told."""
        self.session.fail(fault)
        self._flush()
        self.ended = True
        self._drop_all()
        transport = self.transport
        if transport.is_closing():
            return
        if not transport.can_write_eof():
            transport.close()
        else:
            transport.write_eof()
            transport.resume_reading()
        self._loop.call_later(LINGER_S, transport.abort)

    def _drop_all(self) -> None:
        for call in list(self.session.streams.values()):
            self.session.forget(call)
            call.gone()

    # -- in and out

    def look(self, now: float) -> None:
        """End it, or one of its calls, if it takes too long for what it does.

        Args:
            now: The loop's clock (s).
        """
        self._watch.look(now)

    def data_received(self, data: bytes) -> None:
        """Read what has come, and write what there is to say."""
        if self.ended:
            return
        session = self.session
        self._flushing = True  # whatever is answered at once goes out below, together
        try:
            session.receive(data)
        except ConnectionFault as fault:
            self.fail(fault)
            return
        finally:
            self._flushing = False
        self._watch.heard(self.common.sweep.clock)
        if self._leaving and session.pong:
            self._last_call()
        self._flush()

    def eof_received(self) -> bool:
        """The caller sends no more, and HTTP/2 knows no half of a connection."""
        return False

    def touch(self) -> None:
        """There is something to write: write it when this turn of the loop has brought all that it brings."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        session = self.session
        out = session.out
        if self.ended:
            out.clear()
            return
        if out:
            session.out = []
            if len(out) > 1 and sum(map(len, out)) > _JOIN_BELOW:
                self.transport.writelines(out)
            else:
                self.transport.write(b"".join(out))
        if (session.leaving or session.peer_leaves) and not session.streams:
            self.ended = True
            self.transport.close()

    def pause_writing(self) -> None:
        """The caller does not take what it is sent: send no data, and hear nothing that would have to be answered."""
        self.session.held = True
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It takes it again."""
        self.session.held = False
        self.session.pump()
        self.touch()
        self.transport.resume_reading()

    def _begin(self, number: int, fields: Fields) -> Call:
        return Call(self, number, self.common.head_of(fields))

    def calls(self) -> list[Call]:
        """Those that are open."""
        return cast("list[Call]", list(self.session.streams.values()))  # `_begin` makes no others
