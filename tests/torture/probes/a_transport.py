"""HTTP itself: framing, keep-alive, slow and endless callers."""

from __future__ import annotations

import gzip
import json
import os
import select
import socket
import time
from contextlib import ExitStack

from tests.bad_input.raw import Raw, get
from tests.torture.servers.behaviour import SLOW
from tests.torture.target import NO_ANSWER, Reply, Target, answers, refused, seen
from tests.torture.verdicts import Failed, demand, probe

MIB = 1 << 20
MOST_BODY = 256 * MIB


@probe("http-keep-alive", "RFC 9112 9.3")
def keep_alive(target: Target) -> str:
    """A body that is refused does not cost the connection, unless `Connection: close` says so."""
    with target.open() as raw:
        raw.send(target.request(b"{"))
        bad = raw.read()
        demand(bad.status >= 400, f"a broken body was answered {bad.status}")
        if bad.headers.get("connection", "").lower() == "close":
            return f"{bad.status}, and the connection is closed as announced"
        raw.send(target.request(target.body()))
        good = raw.read()
        demand(good.status == 200, f"the next request on it got {good.status}")
    return f"{bad.status}, then 200 on the same connection"


@probe("http-pipelining", "RFC 9112 9.3.2")
def pipelining(target: Target) -> str:
    """Requests sent without waiting are answered in their order, the slow one first."""
    with target.open() as raw:
        raw.send(target.request(target.body(SLOW)) + get(target.alive) * 3 + target.request(target.body()))
        first = raw.read()
        demand(
            first.status == 200 and b"outputs" in first.body, f"the first answer is {first.status} {first.body[:80]!r}"
        )
        rest = [raw.read() for _ in range(4)]
    demand([answer.status for answer in rest] == [200] * 4, f"the others got {[answer.status for answer in rest]}")
    demand(answers(rest[-1])[0] == 2.0, "the last answer is another one's")
    return "five answers in order"


@probe("http-head", "RFC 9110 9.1, 9.3.2")
def head(target: Target) -> str:
    """HEAD is answered as GET is, without a body."""
    with target.open(5) as raw:
        raw.send(f"HEAD {target.alive} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        status = raw.read("HEAD").status
        raw.send(get(target.alive))
        try:
            after = raw.read().status
        except (ValueError, IndexError, ConnectionError) as error:
            raise Failed(f"the answer after HEAD cannot be read: {error!r}") from error
    demand((status, after) == (200, 200), f"HEAD got {status}, GET behind it {after}")
    return "200 and no body"


@probe("http-half-close", "RFC 9112 9.6")
def half_close(target: Target) -> str:
    """A caller that has closed its half of the connection still gets its answer."""
    with target.open() as raw:
        raw.send(target.request(target.body(SLOW)))
        raw.socket.shutdown(socket.SHUT_WR)
        status = raw.read().status
    demand(status == 200, f"answered {status}")
    return "answered 200"


def _dripped(target: Target, start: bytes, drop: bytes) -> str:
    begun = time.monotonic()
    with target.open(0.5) as raw:
        raw.send(start)
        while time.monotonic() - begun < target.patience_s:
            if not raw.try_send(drop):
                return f"cut off after {time.monotonic() - begun:.0f} s"
            try:
                got = raw.socket.recv(100)
            except TimeoutError:
                continue
            except OSError:
                got = b""
            said = f" with {got[9:12].decode(errors='replace')}" if got else ""
            return f"cut off{said} after {time.monotonic() - begun:.0f} s"
    raise Failed(f"still waited for after {target.patience_s:g} s")


@probe("http-slow-head", "practice", limit_s=120)
def slow_head(target: Target) -> str:
    """A head that comes byte by byte is not waited for without end."""
    return _dripped(target, b"POST / HTTP/1.1\r\nHost: test\r\nX: ", b"a")


@probe("http-slow-body", "practice", limit_s=120)
def slow_body(target: Target) -> str:
    """A body that comes byte by byte is not waited for without end."""
    head = f"POST {target.path()} HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\n"
    return _dripped(target, head.encode(), b" ")


@probe("http-endless-body", "practice", limit_s=90)
def endless_body(target: Target) -> str:
    """A chunked body without an end is refused or cut off at some limit, at 256 MiB at the latest."""
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    with target.open(20) as raw:
        raw.send(f"POST {target.path()} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        while sent < MOST_BODY and not select.select([raw.socket], [], [], 0)[0] and raw.try_send(chunk):
            sent += MIB
        cut = sent < MOST_BODY or select.select([raw.socket], [], [], 5)[0]
        demand(cut, f"took {sent // MIB} MiB and waited for more")
        try:
            status = raw.read().status
        except (OSError, ValueError, LookupError):
            status = NO_ANSWER  # it closes; an answer before that may be lost while it is still being sent to
    demand(status == NO_ANSWER or status >= 400, f"answered {status} after about {sent // MIB} MiB")
    target.demand_well()
    return f"{status or 'cut off'} after about {sent // MIB} MiB"


@probe("http-told-length", "practice")
def told_length(target: Target) -> str:
    """A body of 10 GB is refused by its length, before it is sent."""
    head = f"POST {target.path()} HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000000\r\n\r\n"
    reply = target.ask(head.encode() + b" " * 1000, 5)
    demand(reply.status >= 400, f"after 5 s: {seen(reply)}")
    return f"{reply.status} after {reply.seconds:.1f} s"


@probe("http-gzip", "RFC 9110 8.4.1")
def gzip_body(target: Target) -> str:
    """A gzip body is understood, or refused clearly."""
    body = target.body()
    data = gzip.compress(json.dumps(body).encode())
    reply = target.ask(target.request(data, "Content-Encoding: gzip"))
    if reply.status == 200:
        demand(answers(reply)[0] == 2.0, f"answered wrong: {seen(reply)}")
        return "understood"
    return refused(reply)


@probe("http-gzip-bomb", "practice", limit_s=60)
def gzip_bomb(target: Target) -> str:
    """A gzip body of less than 1 MB that unpacks to 200 MB is refused and costs little memory."""
    data = gzip.compress(bytes(200_000_000), 1)
    before = target.managed.memory() if target.managed else 0
    reply = target.ask(target.request(data, "Content-Encoding: gzip"), 40)
    grown = ((target.managed.memory() if target.managed else 0) - before) // MIB
    demand(400 <= reply.status < 500, f"answered {seen(reply)}")
    demand(grown < 300, f"{reply.status}, but {grown} MiB more are in use")
    target.demand_well()
    return f"refused with {reply.status} after {reply.seconds:.1f} s"


@probe("http-huge-header", "practice")
def huge_header(target: Target) -> str:
    """A header of 4 MB is refused, or the connection closed."""
    reply = target.ask(b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"a" * (4 * MIB) + b"\r\n\r\n", 10)
    target.demand_well()
    return _refused_or_closed(reply)


def _refused_or_closed(reply: Reply) -> str:
    demand(b"timed out" not in reply.body or reply.status, "no answer, and the connection stays open")
    demand(reply.status == 0 or reply.status >= 400, f"answered {seen(reply)}")
    return f"refused with {reply.status}" if reply.status else "connection closed"


@probe("http-two-framings", "RFC 9112 6.1, 6.3")
def two_framings(target: Target) -> str:
    """A request with a length and with chunks is refused, or the connection is closed behind it."""
    smuggled = (
        f"POST {target.path()} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    with target.open(5) as raw:
        raw.send(smuggled.encode())
        try:
            status = raw.read().status
        except ConnectionError:
            return "connection closed"
        raw.try_send(get(target.alive))
        try:
            after = raw.read().status
        except OSError:
            return f"{status}, and closed"
    raise Failed(f"{status}, and the next request on the connection got {after}")


@probe("http-two-lengths", "RFC 9112 6.3")
def two_lengths(target: Target) -> str:
    """A request with two lengths that differ is refused."""
    head = f"POST {target.path()} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n"
    reply = target.ask(head.encode() + b"{} ", 5)
    demand(b"Expecting" not in reply.body, f"was read with one of them: {seen(reply)}")
    return _refused_or_closed(reply)


@probe("http-many-idle", "practice")
def many_idle(target: Target) -> str:
    """Five hundred connections that say nothing do not keep one away that does."""
    with ExitStack() as stack:
        opened = 0
        for _ in range(500):
            try:
                stack.enter_context(Raw(target.url))
            except OSError:
                break
            opened += 1
        demand(target.well(10), f"no right answer beside {opened} idle connections")
    return f"answered beside {opened} of them"


@probe("http-cut-off", "practice")
def cut_off(target: Target) -> str:
    """Fifty callers that vanish in the middle of their bodies leave a healthy server."""
    whole = target.request(target.body())
    for _ in range(50):
        with target.open() as raw:
            raw.try_send(whole[:-10])
    target.demand_well()
    return "well afterwards"


@probe("http-noise", "practice")
def noise(target: Target) -> str:
    """What is no HTTP (noise, a TLS hello) is refused or cut off, and harms nobody."""
    for sent in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500), os.urandom(4000) + b"\r\n\r\n"):
        _refused_or_closed(target.ask(sent + b"\r\n\r\n", 15))
    target.demand_well()
    return "refused or closed, and well afterwards"
