"""The HTTP port of several fronts: the parent accepts, and hands each connection to the next front.

Left to themselves, processes that accept on one socket take connections in bursts, and the kernel's own choice among
several sockets (``SO_REUSEPORT``) is a hash: eight connections on two fronts are not four and four but in one case of
four. A connection lives long beside the moment that it takes to hand it over; its requests do not pass here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

from pumice.domain.errors import BadSetting

_BACKLOG = 4096
_AT_ONCE = 64
"""Connections that are taken in one turn of the loop."""

_PAUSE = 0.02
"""Pause when no front takes a connection, or no more files can be opened (s)."""


def listen(host: str, port: int) -> socket.socket:
    """Listen for HTTP.

    Raises:
        BadSetting: The port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError:
        raise BadSetting("port", str(port), f"a port on {host} that is free; 0 takes any") from None
    sock.setblocking(False)
    return sock


def reserve(host: str, port: int) -> socket.socket:
    """Take a port that several processes are to listen on, without listening; it is theirs while this is open.

    Raises:
        BadSetting: The port cannot be had, or another server listens on it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            # a server of ours there would share its port with us, and we would take half of its calls
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((host, port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise BadSetting("grpc_port", str(port), f"a port on {host} that is free; 0 takes any") from None
    return sock


class Doorway:
    """Accepts for the fronts.

    Args:
        sock: Listens.
        fronts: Gives the sockets over which fronts that serve take connections.
    """

    def __init__(self, sock: socket.socket, fronts: Callable[[], Sequence[socket.socket]]) -> None:
        self._sock = sock
        self._fronts = fronts
        self._turn = 0
        self._waiting: list[socket.socket] = []
        self._pause: asyncio.TimerHandle | None = None
        self._open = False

    def open(self) -> None:
        """Accept from now on."""
        if not self._open:
            self._open = True
            self._accept()

    def close(self) -> None:
        """Hand over what has come, and accept no more."""
        if self._open:
            with contextlib.suppress(OSError):
                while True:
                    self._pass_one()
        self._open = False
        asyncio.get_running_loop().remove_reader(self._sock)
        if self._pause is not None:
            self._pause.cancel()
        for connection in self._waiting:
            connection.close()
        self._sock.close()

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        self._pause = None
        try:
            for _ in range(_AT_ONCE):
                self._pass_one()
        except BlockingIOError:
            accepting = not self._waiting  # nobody came any more; else no front takes the one that did
        except OSError:
            accepting = False  # no more files can be opened
        else:
            accepting = True
        if accepting:
            loop.add_reader(self._sock, self._accept)
        else:
            loop.remove_reader(self._sock)
            self._pause = loop.call_later(_PAUSE, self._accept)

    def _pass_one(self) -> None:
        """Accept a connection and hand it over.

        Raises:
            BlockingIOError: Nobody comes, or no front takes the one who came.
            OSError: It cannot be accepted.
        """
        if not self._waiting:
            self._waiting.append(self._sock.accept()[0])
        self._hand_over(self._waiting[0])
        self._waiting.pop().close()

    def _hand_over(self, connection: socket.socket) -> None:
        """Give a connection to the next front that takes one.

        Raises:
            BlockingIOError: None takes it now.
        """
        fronts = self._fronts()
        for _ in fronts:
            self._turn = (self._turn + 1) % len(fronts)
            with contextlib.suppress(OSError):
                socket.send_fds(fronts[self._turn], [b"c"], [connection.fileno()])
                return
        raise BlockingIOError


class Entrance:
    """A front's end: takes the connections that the parent hands over.

    Args:
        sock: They come over it.
        take: Called with each.
    """

    def __init__(self, sock: socket.socket, take: Callable[[socket.socket], None]) -> None:
        self._sock = sock
        self._take = take
        sock.setblocking(False)

    def open(self) -> None:
        """Take connections from now on."""
        asyncio.get_running_loop().add_reader(self._sock, self._receive)

    def close(self) -> None:
        """Take those that have come, and no more."""
        self._receive()
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def _receive(self) -> None:
        try:
            while True:
                message, fds, _, _ = socket.recv_fds(self._sock, 1, 1)
                for fd in fds:
                    connection = socket.socket(fileno=fd)
                    connection.setblocking(False)
                    self._take(connection)
                if not message:  # the parent has gone; the channel tells so too
                    asyncio.get_running_loop().remove_reader(self._sock)
                    return
        except BlockingIOError:
            return
