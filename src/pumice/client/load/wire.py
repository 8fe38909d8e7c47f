"""HTTP/1.1 from the client's side: the bytes of requests, and answers read as cheaply as is still right."""

from math import lcm
from urllib.parse import urlsplit

import httptools

from pumice.client.load.job import LoadJob


def request_bytes(job: LoadJob) -> list[bytes]:
    """Build complete requests, to be sent in turn.

    Returns:
        Request `i` carries body `i` modulo the number of bodies; every path gets every body that its turns meet.
    """
    parts = urlsplit(job.url)
    own = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    heads = [_head(job, target, parts.netloc.rpartition("@")[2]) for target in job.paths or (own,)]
    bare = job.method in {"GET", "DELETE"}
    turns = range(lcm(len(heads), len(job.bodies)))
    return [_one_request(heads[i % len(heads)], job.bodies[i % len(job.bodies)], bare=bare) for i in turns]


def _head(job: LoadJob, target: str, host: str) -> bytes:
    fixed = {"host", "content-length"}
    lines = [f"{job.method} {target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in job.headers.items() if name.lower() not in fixed]
    return "\r\n".join(lines).encode("ascii")


def _one_request(head: bytes, body: bytes, *, bare: bool) -> bytes:
    if bare and not body:
        return head + b"\r\n\r\n"
    return b"%b\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body)


def plain_body(data: bytes) -> bytes | None:
    """Take the body out of the common answer without a parser.

    Returns:
        The body if `data` is exactly one complete answer with status 200 and a Content-Length whose connection stays
        open; None if it is anything else, which `AnswerParser` then reads.
    """
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.lower()
    length = head.partition(b"\r\ncontent-length:")[2]
    length = length.partition(b"\r\n")[0]
    if not head.startswith(b"http/1.1 200") or b"\r\nconnection:" in head:
        return None
    if not length.strip().isdigit() or int(length) != len(body) or b"\r\ntransfer-encoding:" in head:
        return None
    return body


class AnswerParser:
    """Reads one answer, in pieces of any size.

    Attributes:
        complete: How many final answers have been read; more than 1 is more than was asked for.
        status: Status of the last one.
        body: Its body.
        keep: The connection stays open after it.
        retry_after: Value of its ``Retry-After``; empty: it has none.
    """

    def __init__(self) -> None:
        self.complete = 0
        self.status = 0
        self.body = b""
        self.keep = False
        self.retry_after = b""
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            httptools.HttpParserError: It is not HTTP.
        """
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools with every header."""
        if name.lower() == b"retry-after":
            self.retry_after = value

    def on_body(self, piece: bytes) -> None:
        """Called by httptools with every piece of a body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Called by httptools at the end of an answer."""
        self.status = self._parser.get_status_code()
        if self.status >= 200:  # 1xx comes before the answer
            self.complete += 1
            self.keep = self._parser.should_keep_alive()
            self.body = b"".join(self._pieces)
