"""Runs one test against both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pumice import AsyncClient, Client


class Face:
    """One of the two clients, called the same way; pauses are recorded and pass at once.

    Args:
        kind: ``sync`` or ``async``.
        url: The server.
        **settings: As for the clients.
    """

    def __init__(self, kind: str, url: str, **settings: Any) -> None:
        self.pauses: list[float] = []
        self._call: Callable[..., Any] = self._sync if kind == "sync" else self._async
        self._url = url
        self._settings = settings

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **options: self._call(name, args, options)

    def _sync(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        with Client(self._url, **self._settings, sleep=self.pauses.append) as client:
            return getattr(client, name)(*args, **options)

    def _async(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        async def call() -> Any:
            async with AsyncClient(self._url, **self._settings, sleep=pause) as client:
                return await getattr(client, name)(*args, **options)

        return asyncio.run(call())
