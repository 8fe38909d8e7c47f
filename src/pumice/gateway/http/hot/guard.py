"""The door of the hot path: each request is let in before anything of it is looked at.

What a head says of its caller is kept with the head, so a request whose head was seen before costs two comparisons
and, where its caller is limited, one token.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import unquote

from pumice.domain.access import EVERY, Verb
from pumice.domain.errors import PumiceError
from pumice.gateway.headers import REQUEST_ID, choose_request_id
from pumice.gateway.http.errors import internal_error
from pumice.gateway.http.hot.exchange import Exchange, Handler, Head
from pumice.gateway.http.hot.infer import ROUTE
from pumice.gateway.http.hot.told import fail
from pumice.service.access.doors import Doors, Standing

_MOST_MODELS = 1000
"""Names that are remembered of one caller; whoever may run all models may also ask for those that are not there."""


class Pass:
    """What was found out about a head's caller.

    Args:
        standing: The caller, who may run the head's model.
        epoch: Of the doors, when they said so.
        until: Moment on the monotonic clock from which they have to be asked again (s).
    """

    __slots__ = ("epoch", "lease", "standing", "until")

    def __init__(self, standing: Standing, epoch: int, until: float) -> None:
        self.standing = standing
        self.lease = standing.lease
        self.epoch = epoch
        self.until = until


class Guard:
    """Stands before a handler of whole requests.

    Args:
        handler: Takes those who may come in.
        doors: Say who may.
    """

    def __init__(self, handler: Handler, doors: Doors) -> None:
        self._handler = handler
        self._doors = doors
        self._waiting: set[asyncio.Task[None]] = set()

    def __call__(self, exchange: Exchange) -> None:
        """Let a request in, or answer it with the reason why not."""
        now = time.monotonic()
        head = exchange.head
        doors = self._doors
        try:
            known = head.known
            if known is None or known.epoch != doors.epoch or now >= known.until:
                standing = doors.recognise(_authorization(head))
                if standing is None:
                    self._later(exchange, now)
                    return
                known = self._keep(head, standing, now)
            if known.lease is not None and not doors.admit(known.standing, now):
                self._later(exchange, now)
                return
        except Exception as error:  # noqa: BLE001 - the boundary: what is not ours is logged whole, told generically
            self._refuse(exchange, error, now)
            return
        self._handler(exchange)

    def _keep(self, head: Head, standing: Standing, now: float) -> Pass:
        """Hold a caller's scopes against the model of a head, and remember that they fit."""
        match = ROUTE.fullmatch(head.path.decode("latin-1"))
        model = unquote(match[1]) if match else EVERY
        if model not in standing.runs:
            standing.principal.permit(Verb.INFER, model)
            if len(standing.runs) < _MOST_MODELS:
                standing.runs.add(model)
        head.known = known = Pass(standing, self._doors.epoch, now + self._doors.good_for(standing))
        head.caller = standing.principal.caller
        return known

    def _later(self, exchange: Exchange, now: float) -> None:
        task = asyncio.get_running_loop().create_task(self._wait(exchange, now))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

        def drop() -> None:
            task.cancel()

        exchange.abandoned = drop

    async def _wait(self, exchange: Exchange, now: float) -> None:
        head = exchange.head
        try:
            standing = await self._doors.known(_authorization(head))
            self._keep(head, standing, now)
            await self._doors.admitted(standing)
        except Exception as error:  # noqa: BLE001 - as above
            self._refuse(exchange, error, now)
            return
        if not exchange.disconnected:
            self._handler(exchange)

    def _refuse(self, exchange: Exchange, error: Exception, started: float) -> None:
        request_id = choose_request_id(exchange.head.headers.get(REQUEST_ID.encode(), b"").decode("latin-1"))
        told = error if isinstance(error, PumiceError) else internal_error(error, request_id)
        fail(exchange, None, told, request_id, started)


def _authorization(head: Head) -> str:
    return head.headers.get(b"authorization", b"").decode("latin-1")
