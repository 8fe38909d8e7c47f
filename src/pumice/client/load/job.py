"""What a load run shall do, and the check that it can be done."""

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from pumice.domain.errors import BadSetting


class LoadJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One load run against one server.

    The loop is closed by default: every connection sends its next request when the last one is answered. With a
    `rate` it is open: requests fall due at random (Poisson) times whether or not the server keeps up, and latency
    counts from the moment a request was due, so a slow server cannot hide its queue.

    Attributes:
        url: Where every request goes, `http://` or `https://`.
        paths: When not empty, paths on that host which take the place of the URL's own, in turn like the bodies.
        method: HTTP method.
        headers: Sent with every request; `host` and `content-length` are set for you.
        bodies: Bodies, sent in turn over all connections. At least one, which may be empty.
        connections: Connections kept open; each carries one request at a time.
        seconds: Length of the measured window. Unused when `requests` is set.
        requests: When above 0, the window is this many requests instead of a time.
        warmup_seconds: How long to send the same load before the window opens; not counted.
        rate: When above 0, requests a second of the open loop.
        timeout: Seconds after which a request counts as failed and its connection is closed.
        expect: When not empty, text that a right answer contains.
        check: When not empty, `module:function` in the generator's process, called as `function(index, answer)`
            with the index of the body that was sent and the answer's bytes; false or an exception: a wrong answer.
        check_every: Give `check` every so many-th answer only; 1 is every one.
        keep: Tell of every request in the window what became of it, in the order of the answers; some 50 bytes each.
        pids: Processes whose CPU time, with that of all their descendants, is taken over the window.
    """

    url: str
    paths: tuple[str, ...] = ()
    method: Literal["GET", "POST", "PUT", "DELETE"] = "POST"
    headers: dict[str, str] = {}
    bodies: tuple[bytes, ...] = (b"",)
    connections: int = 1
    seconds: float = 5.0
    requests: int = 0
    warmup_seconds: float = 0.0
    rate: float = 0.0
    timeout: float = 30.0
    expect: str = ""
    check: str = ""
    check_every: int = 1
    keep: bool = False
    pids: tuple[int, ...] = ()

    def validate(self) -> None:
        """Check every field.

        Raises:
            BadSetting: A field has a value that is not allowed; the message names it.
        """
        for key, good, allowed in self._rules():
            if not good:
                given = getattr(self, key)
                raise BadSetting(f"load job: {key}", repr(given)[:200], allowed)

    def _rules(self) -> list[tuple[str, bool, str]]:
        parts = urlsplit(self.url)
        return [
            ("url", parts.scheme in {"http", "https"} and bool(parts.hostname), "http://host:port/path or https://…"),
            ("paths", all(map(_is_path, self.paths)), "/…, in ASCII without spaces"),
            ("headers", not any(map(_breaks_line, [*self.headers, *self.headers.values()])), "ASCII, on one line"),
            ("bodies", len(self.bodies) > 0, "at least one, which may be empty"),
            ("connections", self.connections >= 1, "1 or more"),
            ("seconds", self.seconds > 0, "above 0"),
            ("requests", self.requests >= 0, "0 (run for `seconds`) or more"),
            ("warmup_seconds", self.warmup_seconds >= 0, "0 or more"),
            ("rate", self.rate >= 0, "0 (closed loop) or more, in requests a second"),
            ("timeout", self.timeout > 0, "above 0, in seconds"),
            ("check", not self.check or all(self.check.partition(":")), "module:function"),
            ("check_every", self.check_every >= 1, "1 or more"),
        ]


def _is_path(text: str) -> bool:
    return text.startswith("/") and text.isascii() and text.isprintable() and " " not in text


def _breaks_line(text: str) -> bool:
    return not text.isascii() or "\r" in text or "\n" in text
