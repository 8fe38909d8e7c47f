"""The door of gRPC: stands before every method, and asks before a method sees its message."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from pumice.domain.access import EVERY, Verb
from pumice.gateway.grpc.verbs import NARROW
from pumice.service.access.doors import Doors, Standing

if TYPE_CHECKING:
    from pumice.gateway.grpc.calls import Call
    from pumice.gateway.grpc.heads import Head


class Guard:
    """Lets calls in. What a head says of its caller is kept with the head, as `pumice.gateway.http.hot.guard` does.

    Args:
        doors: Say who may come in.
    """

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def enter(self, call: Call) -> Coroutine[None, None, None] | None:
        """Let a call in.

        Returns:
            What is to be waited for first; None: it is in.

        Raises:
            PumiceError: It may not come in. The coroutine raises the same.
        """
        head, doors = call.head, self._doors
        if head.verb is Verb.OPEN:
            return None
        now = time.monotonic()
        standing = head.standing
        if standing is None or head.epoch != doors.epoch or now >= head.until:
            standing = doors.recognise(head.authorization)
            if standing is None:
                return self._ask(call)
            self._keep(head, call, standing)
        call.principal, call.runs = standing.principal, standing.runs
        return None if doors.admit(standing, now) else doors.admitted(standing)

    async def _ask(self, call: Call) -> None:
        doors = self._doors
        standing = await doors.known(call.head.authorization)
        self._keep(call.head, call, standing)
        await doors.admitted(standing)

    def _keep(self, head: Head, call: Call, standing: Standing) -> None:
        """Hold a caller's scopes against the method of a head, and remember that they fit."""
        principal = standing.principal
        call.principal, call.runs = principal, standing.runs  # also of one that is turned away: it is on record
        if head.name not in NARROW or not principal.allows_some(head.verb):
            principal.permit(head.verb, EVERY)
        head.standing, head.epoch = standing, self._doors.epoch
        head.until = time.monotonic() + self._doors.good_for(standing)
