"""Token buckets in Redis, for several gateways. A script draws, so draws never overlap, by Redis' own clock."""

from __future__ import annotations

import logging
import time
from typing import Any, Literal

from pumice.domain.access import Rate
from pumice.domain.errors import BadSetting, MissingDependency
from pumice.service.access.limiter import Buckets

WITHOUT = ("local", "open", "closed")
"""What holds while Redis is away: the buckets of this host, no limit, or nobody is let in."""

RETRY_S = 1.0
"""How long Redis is left alone after it failed (s)."""

_PREFIX = "pumice:limit:"
_DRAW = """
local now = redis.call('TIME')
now = tonumber(now[1]) + tonumber(now[2]) / 1000000
local rate, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if stored[1] then
  tokens = math.min(burst, tonumber(stored[1]) + math.max(0, now - tonumber(stored[2])) * rate)
end
local given = math.min(wanted, math.floor(tokens + 1e-9))
tokens = math.max(0, tokens - given)
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
local wait = 0
if given == 0 then wait = (1 - tokens) / rate end
return {given, string.format('%.6f', wait)}
"""

_log = logging.getLogger("pumice.access")


class RedisBuckets:
    """Buckets in Redis.

    Args:
        url: The server, for example ``redis://:PASSWORD@HOST:6379/0``.
        without: What holds while it is away.
        near: Buckets of this host, for ``local``.

    Raises:
        BadSetting: The URL is none.
        MissingDependency: The client library is not installed.
    """

    def __init__(self, url: str, without: Literal["local", "open", "closed"], near: Buckets) -> None:
        try:
            from redis import asyncio as client
            from redis.exceptions import RedisError
        except ImportError:
            raise MissingDependency("redis_url", "redis", "pip install 'pumice[redis]'") from None
        try:
            self._redis = client.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        except ValueError:  # its message may hold the password
            raise BadSetting("redis_url", "what is no URL of Redis", "redis://HOST:6379/0 or rediss://…") from None
        self._draw: Any = self._redis.register_script(_DRAW)
        self._errors = (RedisError, OSError, TimeoutError)
        self._without = without
        self._near = near
        self._away_until = 0.0
        self._away = False

    async def draw(self, caller: str, rate: Rate, wanted: int) -> tuple[int, float]:
        """Take up to so many tokens; returns those taken, and the time until the next is there (s)."""
        now = time.monotonic()
        if now < self._away_until:
            return self._alone(caller, rate, wanted, now)
        try:
            given, wait = await self._draw(keys=[_PREFIX + caller], args=[rate.per_second, rate.burst, wanted])
        except self._errors as error:
            if not self._away:
                _log.error("Redis is away", extra={"limits": self._without, "problem": type(error).__name__})
            self._away = True
            self._away_until = time.monotonic() + RETRY_S
            return self._alone(caller, rate, wanted, now)
        if self._away:
            _log.info("Redis is back")
            self._away = False
        return int(given), float(wait)

    async def close(self) -> None:
        """Hang up."""
        await self._redis.aclose()

    def _alone(self, caller: str, rate: Rate, wanted: int, now: float) -> tuple[int, float]:
        if self._without == "open":
            return wanted, 0.0
        if self._without == "closed":
            return 0, RETRY_S
        return self._near.draw(caller, rate, wanted, now)
