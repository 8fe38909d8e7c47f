"""A replica as one front sees it: what its keeper tells, and the front's own connection to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from typing import Protocol

import numpy as np

from pumice.protocol.frames import ReplyHead
from pumice.runtime.front.link import Batch, ReplicaLink
from pumice.runtime.front.news import ReplicaNews, ReplicaState
from pumice.runtime.front.process import is_stopped
from pumice.runtime.page import DeafWatch, HangWatch, StatusView

_log = logging.getLogger("pumice.replica")

_AGAIN_AFTER = 0.2
"""Pause before a connection that was lost is made again, to a replica that its keeper says is there (s)."""

DEAF_AFTER = 2.0
"""Least time in which a replica must take what it is sent, however short its calls may be: machines are busy (s)."""

_LAST_WORDS = 1.0
"""How long a connection may outlive its replica, for what is still on its way (s)."""


class Owner(Protocol):
    """What a replica tells the version that it belongs to."""

    def replica_changed(self, replica: Replica, news: ReplicaNews) -> None:
        """Its keeper has told something new."""

    def replica_free(self, replica: Replica) -> None:
        """It can be sent batches from now on."""

    def replica_replied(self, replica: Replica, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        """It answered a batch and is free."""

    def replica_hangs(self, replica: Replica, batch: Batch) -> None:
        """This batch takes longer than it may; the replica is killed."""

    def replica_lost(self, replica: Replica, batch: Batch | None, *, ran: bool) -> None:
        """The connection is gone, with this batch; ``ran``: the model was running it."""


class Replica:
    """One replica of a version.

    Args:
        name: Model and number, for the log.
        number: Counts the replicas of a version from 0.
        owner: Told of everything.
        limit: Longest that a call may take (s), and so that a replica which runs one lets a new connection wait.

    Attributes:
        name: Model and number.
        news: What its keeper told last.
    """

    def __init__(self, name: str, number: int, owner: Owner, limit: float) -> None:
        self.name = name
        self.news = ReplicaNews(number)
        self._owner = owner
        self._limit = limit
        self._link: ReplicaLink | None = None
        self._page: StatusView | None = None
        self._watch = HangWatch()
        self._deaf = DeafWatch()
        self._hung: Batch | None = None
        self._linked_life = 0
        self._lost_life = 0
        self._attaching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> ReplicaState:
        """Where it is in its life; a front that lost it knows so before its keeper tells."""
        if self.news.state is ReplicaState.READY and self._lost_life == self.news.life:
            return ReplicaState.STARTING
        return self.news.state

    @property
    def pid(self) -> int:
        """Process id, or 0 while there is none."""
        return self.news.pid

    @property
    def attached(self) -> bool:
        """Whether it can be sent batches."""
        return self._link is not None

    @property
    def batch(self) -> Batch | None:
        """The batch that is under way."""
        return self._link.batch if self._link else None

    @property
    def elsewhere(self) -> bool:
        """Whether it runs another front's batch now, so that one of ours would wait behind it."""
        return self._page is not None and self._page.running() is not None

    def told(self, news: ReplicaNews) -> None:
        """Take what its keeper tells."""
        self.news = news
        self._owner.replica_changed(self, news)
        if news.state is ReplicaState.READY:
            if news.life != self._linked_life:
                self._leave()
                self._attach()
        elif self._link is not None:
            # its end is usually on its way; a child that the model has forked would keep it from coming
            asyncio.get_running_loop().call_later(_LAST_WORDS, self._link.close)

    def run(self, batch: Batch) -> None:
        """Send a batch; only to an attached replica that has none."""
        assert self._link is not None  # noqa: S101 - an attached replica has one
        self._link.run(batch)

    def look(self, now: float) -> None:
        """Tell the owner of a batch that hangs.

        Args:
            now: The monotonic clock (s).
        """
        batch = self.batch
        if batch is None or self._page is None or self._link is None:
            return
        call = self._page.running()
        ours = call if call is not None and call.connection == self._link.number else None
        if self._watch.hangs(ours, now):
            self._hangs(batch)
        elif self._deafens(self._page, batch, now):
            # the batch is run on another, since this one never began it
            self.kill_deaf(self._linked_life, batch.limit)

    def kill_deaf(self, life: int, limit: float) -> None:
        """Kill a replica that takes no calls; its keeper cannot see that it is waited for.

        Args:
            life: The one that takes none; a later one is left alone.
            limit: How long it was waited for (s), for the log.
        """
        if self.news.life != life or self.news.state is not ReplicaState.READY or not self.pid:
            return
        _log.error("replica takes no calls", extra={"replica": self.name, "pid": self.pid, "limit_s": limit})
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _hangs(self, batch: Batch) -> None:
        if batch is not self._hung:  # it is seen at each look until the replica is gone
            self._hung = batch
            self._owner.replica_hangs(self, batch)

    def _deafens(self, page: StatusView, batch: Batch, now: float) -> bool:
        """Whether the very process that this connection leads to takes no calls; the news may be of a later one."""
        linked = self.news.state is ReplicaState.READY and self.news.life == self._linked_life and self.pid > 0
        limit = max(batch.limit, DEAF_AFTER)
        return linked and bool(batch.limit) and self._deaf.deaf(page, batch.started, limit, now)

    async def detach(self) -> None:
        """Leave it alone for good."""
        if self._timer is not None:
            self._timer.cancel()
        if self._attaching is not None:
            self._attaching.cancel()
            await asyncio.gather(self._attaching, return_exceptions=True)
        self.news = ReplicaNews(self.news.number, ReplicaState.STOPPED)
        self._leave()

    def _attach(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._attaching is not None:
            self._attaching.cancel()
        self._attaching = asyncio.get_running_loop().create_task(self._connect(self.news))

    async def _connect(self, news: ReplicaNews) -> None:
        link = ReplicaLink(self._replied, lambda batch: self._lost(link, batch))
        try:
            async with asyncio.timeout(self._limit + DEAF_AFTER):
                page = await link.connect(news.socket, self.name)
        except OSError as error:
            problem = str(error) or f"nothing for {self._limit + DEAF_AFTER:g} s"
            _log.info("replica does not answer", extra={"replica": self.name, "problem": problem})
            # one that is merely busy with other fronts' calls is let be
            if isinstance(error, TimeoutError) and is_stopped(news.pid):
                self.kill_deaf(news.life, self._limit)
            self._again_later(news.life)
            return
        if link.gone:
            self._again_later(news.life)
            return
        self._link, self._page, self._linked_life = link, page, news.life
        self._lost_life = 0
        self._owner.replica_free(self)

    def _again_later(self, life: int) -> None:
        self._lost_life = life

        def again() -> None:
            if self.news.life == life and self.news.state is ReplicaState.READY:
                self._attach()

        self._timer = asyncio.get_running_loop().call_later(_AGAIN_AFTER, again)

    def _replied(self, batch: Batch, head: ReplyHead, outputs: dict[str, np.ndarray]) -> None:
        self._owner.replica_replied(self, batch, head, outputs)

    def _leave(self) -> None:
        """Forget the connection without waiting for its end."""
        link = self._link
        if link is not None:
            batch, link.batch = link.batch, None
            link.close()
            self._lost(link, batch)

    def _lost(self, link: ReplicaLink, batch: Batch | None) -> None:
        if link is not self._link:  # it was left before
            return
        call = self._page.running() if self._page else None
        self._link = self._page = None
        if self.news.state is not ReplicaState.STOPPED:
            self._again_later(self._linked_life)
        ours = call if call is not None and call.connection == link.number else None
        ran = link.broken or ours is not None
        if batch is not None and ours is not None and ours.overdue(time.monotonic()):
            self._hangs(batch)  # its keeper saw it first
        self._owner.replica_lost(self, batch, ran=ran)
