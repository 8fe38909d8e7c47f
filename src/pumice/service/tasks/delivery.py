"""Tells those who asked for it that a task is finished: at least once, from an outbox on disk."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import msgspec

from pumice.db import webhooks as operations
from pumice.db.webhooks import Due, Notice
from pumice.domain.errors import PumiceError, StorageFailed
from pumice.service.tasks.clock import Clock
from pumice.service.tasks.record import TaskRecord
from pumice.service.tasks.store import TaskStore
from pumice.service.tasks.webhooks import Hosts, Signer, Target

_log = logging.getLogger("pumice.tasks.webhooks")

LOOK_EVERY_S = 1.0
"""How often the outbox is looked at (s)."""

AT_ONCE = 16
"""Calls at once."""

ANSWER_S = 10.0
"""Longest wait for an answer (s)."""

HELD_S = 60.0
"""After this time another try is due, should the gateway that tries be killed (s)."""

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 3600.0
MOST_TRIES = 20
GIVE_UP_S = 86_400.0
"""A receiver that does not answer for so long is not told (s)."""

MAX_RESULT_BYTES = 256 * 1024
"""Results up to this size go along (bytes); larger ones are to be fetched."""

_GONE = 410

Tell = Callable[[TaskRecord], bytes]
"""The JSON in which a face tells a task's state."""


class _Refused(Exception):
    """The target may not be called, or cannot be found."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How webhooks are sent.

    Attributes:
        hosts: Where they may go.
        signer: Signs them.
        tell: Makes what they tell.
        count: Counts a try, by model, version and result.
        trust: Whom receivers over https are trusted by; None: the public authorities.
    """

    hosts: Hosts
    signer: Signer
    tell: Tell
    count: Callable[[str, str, str], None]
    trust: ssl.SSLContext | None = None


def pause(tries: int, chance: float) -> float:
    """How long to wait after so many tries (s): three times as long each time, less up to half of it by chance.

    Args:
        tries: Tries made, at least 1.
        chance: A number in [0, 1).
    """
    return min(FIRST_PAUSE_S * 3.0 ** min(tries - 1, 20), LONGEST_PAUSE_S) * (1 - chance / 2)


class Delivery:
    """Empties the outbox.

    Args:
        store: Where it is.
        look: Reads a task's state; None if its result is gone.
        terms: How webhooks are sent.
        clock: The times.
    """

    def __init__(
        self, store: TaskStore, look: Callable[[str], Awaitable[TaskRecord | None]], terms: Terms, clock: Clock
    ) -> None:
        self._database = store.database
        self._look = look
        self._terms = terms
        self._clock = clock
        # no proxy of the environment, no redirect: only what was checked is called
        self._http = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=ANSWER_S, verify=terms.trust or True
        )

    async def run(self) -> None:
        """Tell what is due, for ever."""
        try:
            while True:
                try:
                    busy = await self._round()
                except StorageFailed:
                    busy = False  # house-keeping tells of it
                except Exception:  # noqa: BLE001 the boundary of a loop that must go on: the log gets everything
                    _log.exception("webhooks failed")
                    busy = False
                if not busy:
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._http.aclose()

    async def _round(self) -> bool:
        now = self._clock.now()
        notices = await self._database.call(operations.take, Due(now, now + HELD_S, AT_ONCE))
        await asyncio.gather(*(self._deliver(notice) for notice in notices))
        return bool(notices)

    async def _deliver(self, notice: Notice) -> None:
        record = await self._look(notice.id)
        if record is None:  # nobody wants it any more
            await self._database.call(operations.drop, notice.id)
            return
        problem = await self._send(notice, record)
        told = {"task": notice.id, "tries": notice.tries, "problem": problem}
        late = self._clock.now() - notice.begun > GIVE_UP_S or notice.tries >= MOST_TRIES
        over = not problem or late or problem == str(_GONE)
        result = "again" if not over else "given_up" if problem else "delivered"
        self._terms.count(record.model, record.version, result)
        if over:
            if problem:
                _log.warning("a webhook is given up", extra=told)
            await self._database.call(operations.drop, notice.id)
            return
        _log.info("a webhook is to be sent again", extra=told)
        due = self._clock.now() + pause(notice.tries, random.random())  # noqa: S311 no secret
        await self._database.call(operations.put_off, (notice.id, due))

    async def _send(self, notice: Notice, record: TaskRecord) -> str:
        """Send it once; return what went wrong, or an empty string."""
        body = self._body(record)
        headers = self._terms.signer.headers(f"msg_{notice.id}", self._clock.now(), body)
        headers["content-type"] = "application/json"
        try:
            target = self._terms.hosts.target(notice.url)
            url = httpx.URL(notice.url)
            # the address that was checked is the one that is called: a name may lead elsewhere a moment later
            called = url.copy_with(host=await _address(target))
            headers["host"] = url.netloc.decode()
            extensions = {"sni_hostname": target.host}
            request = self._http.build_request("POST", called, content=body, headers=headers, extensions=extensions)
            async with asyncio.timeout(ANSWER_S):
                reply = await self._http.send(request, stream=True)
                await reply.aclose()
        except _Refused as error:
            return str(error)
        except (httpx.HTTPError, httpx.InvalidURL, PumiceError, TimeoutError, OSError) as error:
            return type(error).__name__
        return "" if reply.is_success else str(reply.status_code)

    def _body(self, record: TaskRecord) -> bytes:
        state = self._terms.tell(record)
        data = {"task_id": record.task_id, "model": record.model, "status": record.status}
        if len(state) <= MAX_RESULT_BYTES:
            data |= msgspec.json.decode(state)
        told = {
            "type": f"task.{record.status}",
            "timestamp": datetime.fromtimestamp(record.finished or record.accepted, UTC).isoformat(),
            "data": data,
        }
        return msgspec.json.encode(told)


async def _address(target: Target) -> str:
    """Find an address of a host that may be called; all must be, since any could be meant."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError:
        raise _Refused("the host is not known") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(map(target.admits, addresses)):
        raise _Refused("the host's address is not allowed")
    return addresses[0]
