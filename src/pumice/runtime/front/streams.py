"""Answers in parts, in the front process: which replica runs a stream, and what happens when one dies.

Streams pass by the batcher. Each goes to the replica that has the fewest, or waits while all have as many as they can
run. A stream whose replica dies is run again on another as long as nothing of it was sent; after that the caller is
told that the answer ends there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from pumice.domain.errors import DeadlineExceeded, ModelFailed, PumiceError
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest
from pumice.observe.stats import VersionStats
from pumice.protocol.frames import error_of
from pumice.protocol.stream_frames import News
from pumice.runtime.front.replica import DEAF_AFTER, Replica
from pumice.runtime.front.streamlink import StreamLink
from pumice.runtime.front.ticket import MAX_ATTEMPTS

_log = logging.getLogger("pumice.dispatch")

WINDOW = 16
"""Parts of one stream that may be under way or wait for its caller; a replica with so many out stands still."""

_AGAIN_AFTER = 0.2
"""Pause before a lost connection for streams is made again (s)."""

Part = Callable[[dict[str, np.ndarray]], None]
"""Called in the event loop with each part; `StreamTicket.taken` makes room for another."""

End = Callable[[PumiceError | None], None]
"""Called once, in the event loop, when there are no more parts, with what went wrong if that is why."""


class StreamTicket:
    """A request whose answer comes in parts.

    Args:
        request: What is asked.
        part: Called with each part.
        end: Called at the end.

    Attributes:
        request: What is asked.
        attempts: Tries whose replica died.
        parts: How many parts have come.
        waiting: How many of them the caller has not taken.
        link: Where it runs; None: it waits, or is over.
        number: Of the stream, there.
        enqueued: When it began to wait, on the monotonic clock (s).
        began: When the model was called (s); 0: it was not yet.
        moved: When the stream last got on, by the model or by its caller (s).
        finished: Its end was told, or nobody waits for it.
    """

    __slots__ = (
        "_end",
        "_part",
        "attempts",
        "began",
        "enqueued",
        "finished",
        "link",
        "moved",
        "number",
        "parts",
        "request",
        "timer",
        "waiting",
    )

    def __init__(self, request: InferRequest, part: Part, end: End) -> None:
        self.request = request
        self.attempts = 0
        self.parts = 0
        self.waiting = 0
        self.link: StreamLink[StreamTicket] | None = None
        self.number = 0
        self.enqueued = time.monotonic()
        self.began = 0.0
        self.moved = 0.0
        self.finished = False
        self.timer: asyncio.TimerHandle | None = None
        self._part = part
        self._end = end

    def take(self, outputs: dict[str, np.ndarray]) -> None:
        """Give the caller a part."""
        self.parts += 1
        self.waiting += 1
        self.moved = time.monotonic()
        if not self.finished:
            self._part(outputs)

    def taken(self) -> None:
        """The caller has taken a part: another may come."""
        self.waiting -= 1
        self.moved = time.monotonic()
        if self.link is not None:
            self.link.more(self.number, 1)

    def finish(self, error: PumiceError | None = None) -> None:
        """Tell the caller that there are no more parts."""
        if not self.finished:
            self.cancel()
            self._end(error)

    def cancel(self) -> None:
        """Nobody waits any more: the model is told to stop."""
        self.finished = True
        if self.timer is not None:
            self.timer.cancel()
        if self.link is not None:
            self.link.end(self.number)


class Streams:
    """All streams of one version.

    Args:
        model: Name of the model.
        profile: What a replica said of it.
        stats: The version's counters.
        limit: Longest that a model, or a caller, may be silent (s).
    """

    def __init__(self, model: str, profile: Profile, stats: VersionStats, limit: float) -> None:
        self._model = model
        self._idempotent = profile.idempotent
        self._most = profile.concurrency
        self._stats = stats
        self._limit = limit
        self._links: dict[Replica, StreamLink[StreamTicket]] = {}
        self._lives: dict[StreamLink[StreamTicket], int] = {}  # of the replica that each leads to
        self._suspects: set[StreamLink[StreamTicket]] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: deque[StreamTicket] = deque()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def __len__(self) -> int:
        """Streams that wait for a replica."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Streams that run."""
        return sum(len(link.streams) for link in self._links.values())

    def submit(self, ticket: StreamTicket) -> None:
        """Let a stream begin as soon as a replica has room."""
        deadline = ticket.request.deadline
        if deadline is not None:
            late = DeadlineExceeded("the request's deadline")
            ticket.timer = self._loop.call_later(deadline - time.monotonic(), ticket.finish, late)
        self._waiting.append(ticket)
        self._flush()

    def look(self, now: float) -> None:
        """End the streams that do not get on.

        Args:
            now: The monotonic clock (s).
        """
        for replica, link in tuple(self._links.items()):
            self._look_deaf(replica, link, now)
            for ticket in tuple(link.streams.values()):
                if ticket.finished or not ticket.began or now - ticket.moved <= self._limit:
                    continue
                if ticket.waiting < WINDOW:
                    what = f"the model's time limit of {self._limit:g} s for a part ('stream_timeout')"
                else:
                    what = f"the caller's time limit of {self._limit:g} s for taking a part ('stream_timeout')"
                ticket.finish(DeadlineExceeded(what))

    def _look_deaf(self, replica: Replica, link: StreamLink[StreamTicket], now: float) -> None:
        """Kill a replica that takes no note of its orders; two looks for the reasons of `HangWatch`."""
        since = link.unheard_since()
        limit = max(self._limit, DEAF_AFTER)
        if since is None or now - since <= limit:
            self._suspects.discard(link)
        elif link in self._suspects:
            replica.kill_deaf(self._lives[link], limit)
        else:
            self._suspects.add(link)

    def refuse_all(self, error: PumiceError) -> None:
        """End those that wait."""
        while self._waiting:
            self._waiting.popleft().finish(error)

    def close(self, error: PumiceError) -> None:
        """End everything, for good."""
        self._closed = True
        self.refuse_all(error)
        for link in self._links.values():
            for ticket in tuple(link.streams.values()):
                ticket.finish(error)
            link.close()
        for task in self._connecting:
            task.cancel()

    # -- replicas

    def attach(self, replica: Replica) -> None:
        """Connect to a replica that is there."""
        if self._closed or not replica.attached:
            return
        task = self._loop.create_task(self._connect(replica))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, replica: Replica) -> None:
        link = StreamLink[StreamTicket](self._told, lambda: self._lost(replica, link))
        life = replica.news.life
        try:
            await link.connect(replica.news.socket)
        except OSError as error:
            _log.info("replica takes no streams", extra={"replica": replica.name, "problem": str(error)})
            self._loop.call_later(_AGAIN_AFTER, self.attach, replica)
            return
        earlier = self._links.get(replica)
        self._links[replica] = link
        self._lives[link] = life
        if earlier is not None:
            earlier.close()
        self._flush()

    def _lost(self, replica: Replica, link: StreamLink[StreamTicket]) -> None:
        self._lives.pop(link, None)
        self._suspects.discard(link)
        if self._links.get(replica) is link:
            del self._links[replica]
            self._loop.call_later(_AGAIN_AFTER, self.attach, replica)
        for ticket in reversed(tuple(link.streams.values())):
            ticket.link = None
            if not ticket.finished:
                self._again(ticket)
        link.streams.clear()
        self._flush()

    def _again(self, ticket: StreamTicket) -> None:
        ticket.attempts += bool(ticket.began)
        if ticket.parts:
            problem = f"its replica died in the middle of the answer, after {ticket.parts} parts"
        elif ticket.began and not self._idempotent:
            problem = "its replica died, and the model says that it must not run twice"
        elif ticket.attempts >= MAX_ATTEMPTS:
            problem = f"its replica died {ticket.attempts} times with this request"
        else:
            self._stats.retries += 1
            ticket.began = 0.0
            self._waiting.appendleft(ticket)
            return
        ticket.finish(ModelFailed(self._model, problem))

    # -- streams

    def _told(self, ticket: StreamTicket, news: News, outputs: dict[str, np.ndarray]) -> None:
        now = time.monotonic()
        if news.kind == "began":
            ticket.began = ticket.moved = now
        elif news.kind == "part":
            ticket.take(outputs)
        else:
            self._ended(ticket, news, now)

    def _ended(self, ticket: StreamTicket, news: News, now: float) -> None:
        ticket.link = None
        seconds = now - ticket.began if ticket.began else 0.0
        self._stats.inference_seconds.observe(seconds)
        error = error_of(news.error, self._model) if news.error is not None else None
        if error is None:
            self._stats.answered(1, 1, (0.0, seconds, 0.0), now)
        elif news.trace:
            told = {"model": self._model, "request": ticket.request.request_id, "trace": news.trace}
            _log.error("model raised", extra=told)
        ticket.finish(error)
        self._flush()

    def _flush(self) -> None:
        while self._waiting:
            link = min(self._links.values(), key=lambda link: len(link.streams), default=None)
            if link is None or len(link.streams) >= self._most:
                return
            ticket = self._waiting.popleft()
            if not ticket.finished:
                self._stats.queue_seconds.observe(time.monotonic() - ticket.enqueued)
                self._stats.batch_size.observe(1)
                ticket.link = link
                ticket.number = link.run(ticket, ticket.request, WINDOW, self._limit)
