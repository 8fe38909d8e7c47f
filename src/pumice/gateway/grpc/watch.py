"""How long a connection may take for what: looked at once a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pumice.protocol.grpc.status import StatusCode
from pumice.protocol.http2.frames import ping_frame
from pumice.protocol.http2.values import Code, ConnectionFault

if TYPE_CHECKING:
    from pumice.gateway.grpc.connection import Connection

KEEPALIVE_S = 60.0
"""A caller that says nothing for so long is asked whether it is there (s)."""

KEEPALIVE_ANSWER_S = 20.0
"""How long it has to answer (s)."""

PING = b"pumice.."
"""What our pings carry."""


class Watch:
    """Looks after one connection.

    Args:
        connection: The connection.
    """

    __slots__ = (
        "_connection",
        "_half_since",
        "_heard_at",
        "_pinged_at",
        "_sent",
        "_slow_since",
        "_stuck_since",
        "_stuck_with",
        "_taken",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard_at = 0.0
        self._pinged_at = 0.0
        self._half_since = 0.0
        self._taken = -1
        self._stuck_since = 0.0
        self._stuck_with = 0
        self._sent = 0
        self._slow_since = 0.0

    def heard(self, now: float) -> None:
        """Something has come."""
        self._heard_at = now
        taken = self._connection.session.taken
        if taken != self._taken:
            self._taken, self._half_since = taken, now

    def look(self, now: float) -> None:
        """End it, or one of its calls, if it takes too long for what it does.

        Args:
            now: The loop's clock (s).
        """
        connection = self._connection
        if self._look_stuck(now) or connection.ended:
            return
        connection.session.calm()
        limits = connection.common.limits
        if connection.session.half and now - self._half_since > limits.header_timeout:
            connection.fail(
                ConnectionFault(Code.ENHANCE_YOUR_CALM, f"half a frame for more than {limits.header_timeout:g} s")
            )
            return
        self._look_calls()
        self._look_unread(now)
        self._look_silent(now)

    def _look_calls(self) -> None:
        connection = self._connection
        limits, moment = connection.common.limits, time.monotonic()
        for call in connection.calls():
            if call.deadline is not None and moment > call.deadline:
                call.late()
            elif call.half and moment - call.began > limits.body_timeout + call.came / limits.min_rate:
                allowed = f"{limits.body_timeout:g} s and one more for each {limits.min_rate} bytes"
                call.cut(StatusCode.DEADLINE_EXCEEDED, f"the message was not there within {allowed}")

    def _look_stuck(self, now: float) -> bool:
        """Whether its caller has left what is in the socket unread for too long."""
        connection = self._connection
        waiting = connection.transport.get_write_buffer_size()
        if not waiting:
            self._stuck_since = 0.0
            return False
        if not self._stuck_since or waiting > self._stuck_with:
            self._stuck_since, self._stuck_with = self._stuck_since or now, waiting
        limits = connection.common.limits
        if now - self._stuck_since <= limits.send_timeout + (self._stuck_with - waiting) / limits.min_rate:
            return False
        connection.transport.abort()
        return True

    def _look_unread(self, now: float) -> None:
        """Break off the calls whose caller gives no window for their answers."""
        connection = self._connection
        session = connection.session
        if not session.waiting or session.sent != self._sent:
            self._sent, self._slow_since = session.sent, now
        elif now - self._slow_since > connection.common.limits.send_timeout:
            for call in list(session.waiting.values()):
                session.reset(call, Code.CANCEL)
                call.gone()
            connection.touch()

    def _look_silent(self, now: float) -> None:
        connection = self._connection
        if self._pinged_at > self._heard_at:
            if now - self._pinged_at > KEEPALIVE_ANSWER_S:
                connection.transport.abort()
        elif now - self._heard_at > KEEPALIVE_S:
            self._pinged_at = now
            connection.session.out.append(ping_frame(PING))
            connection.touch()
