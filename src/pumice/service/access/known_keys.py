"""Keys at the door: all that are good are in memory, and the database is looked at a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import importlib
import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from pumice.domain.access import Principal, Rate, rate_of, scopes_of
from pumice.domain.errors import MalformedInput, PumiceError, StorageFailed, Unauthenticated
from pumice.service.access.tokens import digest_of, id_of

if TYPE_CHECKING:
    from pumice.db.keys import KeyRow
    from pumice.service.access.keys import KeyStore

LOOK_EVERY_S = 0.25
"""How often the database is asked whether keys have changed (s): what is revoked is refused well within a second."""

WRITE_EVERY_S = 60.0
"""How often it is written which keys were used (s)."""

PREFIX = "key:"
"""What the callers' names begin with."""

_NO_DIGEST = bytes(32)
_log = logging.getLogger("pumice.access")


class KnownKeys:
    """The keys of a database.

    Args:
        open_store: Opens the database; called in a thread.
        default_rate: For keys that have none of their own.
        clock: Seconds since 1970.

    Attributes:
        epoch: Counted up when a key has changed or ended.
    """

    def __init__(
        self,
        open_store: Callable[[], KeyStore],
        default_rate: Rate | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.epoch = 0
        self._open_store = open_store
        self._default_rate = default_rate
        self._clock = clock
        self._store: KeyStore | None = None
        self._changes = -1
        self._keys: dict[str, tuple[bytes, Principal]] = {}
        self._next_end = math.inf
        self._used: dict[str, float] = {}
        self._written = 0.0
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    @property
    def store(self) -> KeyStore:
        """Where the keys are; there once `start` is done."""
        assert self._store is not None  # noqa: S101 - the faces are opened after the start
        return self._store

    def recognise(self, token: str) -> Principal:
        """Tell whose key this is.

        Raises:
            Unauthenticated: Nobody's.
        """
        key_id = id_of(token)
        if key_id is None:
            raise Unauthenticated("what was sent is no key, or one with a typing error", shown=True)
        digest, principal = self._keys.get(key_id, (_NO_DIGEST, None))
        if not hmac.compare_digest(digest_of(token), digest) or principal is None:
            raise Unauthenticated(f"the key '{key_id}' is not known here, or has ended", shown=True)
        now = self._clock()
        if now >= principal.until:
            raise Unauthenticated(f"the key '{key_id}' is not known here, or has ended", shown=True)
        self._used[key_id] = now
        return principal

    async def identify(self, token: str) -> Principal:
        """The same as `recognise`."""
        return self.recognise(token)

    async def start(self) -> None:
        """Read all keys, and go on looking.

        Raises:
            BadArtefact: The database is damaged or of a newer Pumice.
            StorageFailed: It cannot be read.
        """
        await asyncio.to_thread(importlib.import_module, "pumice.service.access.keys")
        self._store = await asyncio.to_thread(self._open_store)
        await self._look()
        if not self._keys:
            _log.warning("no key is good here: make one with 'pumice keys create', or nobody comes in")
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Look no more, and write down which keys were used."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._store is not None:
            with contextlib.suppress(StorageFailed):
                await self._write_used()
            await asyncio.to_thread(self._store.close)

    async def refresh(self) -> None:
        """Look now: a key that was changed through this process is changed at its door at once.

        Raises:
            StorageFailed: The database cannot be read.
        """
        await self._look()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look()
                if self._used and self._clock() - self._written > WRITE_EVERY_S:
                    await self._write_used()
            except PumiceError as error:
                # those who were good stay good: a database that is away must not close a server that works
                if not self._failing:
                    _log.error(
                        "keys cannot be looked at; what is revoked now still works", extra={"problem": str(error)}
                    )
                self._failing = True
            else:
                self._failing = False

    async def _look(self) -> None:
        if await asyncio.to_thread(self.store.changes) != self._changes:
            self._changes, rows = await asyncio.to_thread(self.store.rows)
            self._take(rows)
        elif self._clock() >= self._next_end:
            self._take_out_ended()

    def _take(self, rows: list[KeyRow]) -> None:
        keys: dict[str, tuple[bytes, Principal]] = {}
        for row in rows:
            if row["revoked"] is None:
                try:
                    keys[row["id"]] = (row["digest"], self._principal(row))
                except (MalformedInput, msgspec.DecodeError) as error:
                    _log.error("a key cannot be used", extra={"key": row["id"], "problem": str(error)})
        self._keys = keys
        self._take_out_ended()

    def _take_out_ended(self) -> None:
        now = self._clock()
        self._keys = {key_id: known for key_id, known in self._keys.items() if known[1].until > now}
        self._next_end = min((principal.until for _, principal in self._keys.values()), default=math.inf)
        self.epoch += 1

    def _principal(self, row: KeyRow) -> Principal:
        rate = rate_of(row["rate"], row["burst"]) or self._default_rate
        until = math.inf if row["expires"] is None else row["expires"]
        return Principal(PREFIX + row["id"], scopes_of(msgspec.json.decode(row["scopes"])), rate, until, row["name"])

    async def _write_used(self) -> None:
        used, self._used = self._used, {}
        self._written = self._clock()
        if used:
            await asyncio.to_thread(self.store.touch, used)
