"""The model store of a server, for `Client` and `AsyncClient`; what the operations do is in `pumice.client.store`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pumice.client import store
from pumice.client.flow import Flow, Link
from pumice.domain.store.difference import Difference
from pumice.domain.store.names import DEFAULT_ALIAS
from pumice.domain.store.records import ModelSummary, Move, VersionRecord
from pumice.domain.store.told import Answered, Collected, Lineage, Shown, Verified


class ServerStore:
    """The model store of a server. All of them raise `pumice.domain.errors.PumiceError` when the server refuses.

    Args:
        run: Drives an operation.
        link: How the server is spoken to.
    """

    def __init__(self, run: Callable[[Flow[Any]], Any], link: Link) -> None:
        self._run = run
        self._link = link

    def models(self) -> list[ModelSummary]:
        """Every model with its newest version, by name; those that the key may look at."""
        told: list[ModelSummary] = self._run(store.models(self._link))
        return told

    def versions(self, name: str) -> list[VersionRecord]:
        """Every version of a model, the oldest first."""
        told: list[VersionRecord] = self._run(store.versions(self._link, name))
        return told

    def show(self, ref: str) -> Shown:
        """All that is known of a version."""
        told: Shown = self._run(store.show(self._link, ref))
        return told

    def answered(self, request_id: str) -> list[Answered]:
        """Which versions answered a request of this id, the last first."""
        told: list[Answered] = self._run(store.answered(self._link, request_id))
        return told

    def at(self, ref: str, moment: float) -> Move:
        """The move by which ``NAME@ALIAS`` pointed to what it did at a moment (s since 1970)."""
        told: Move = self._run(store.at(self._link, ref, moment))
        return told

    def diff(self, first: str, second: str) -> Difference:
        """What changed from one version to another."""
        told: Difference = self._run(store.diff(self._link, first, second))
        return told

    def lineage(self, ref: str) -> Lineage:
        """Where a version comes from, up to its first parents."""
        told: Lineage = self._run(store.lineage(self._link, ref))
        return told

    def alias(self, name: str, alias: str, version: int, reason: str = "") -> Move:
        """Let an alias point to a version."""
        told: Move = self._run(store.alias(self._link, name, alias, version, reason))
        return told

    def rollback(self, name: str, alias: str = DEFAULT_ALIAS, reason: str = "") -> Move:
        """Let an alias point to where it pointed before; again and again, each time one step further back."""
        told: Move = self._run(store.rollback(self._link, name, alias, reason))
        return told

    def delete(self, ref: str, reason: str = "") -> VersionRecord:
        """Take a version out, named by its number."""
        told: VersionRecord = self._run(store.delete(self._link, ref, reason))
        return told

    def gc(self, *, dry_run: bool = False) -> Collected:
        """Give back the space of what no version needs."""
        told: Collected = self._run(store.gc(self._link, dry_run=dry_run))
        return told

    def verify(self, ref: str = "") -> Verified:
        """Hold every byte of a version, or of the whole store, against its digest."""
        told: Verified = self._run(store.verify(self._link, ref))
        return told


class AsyncServerStore:
    """The model store of a server, with ``await`` before every operation; else as `ServerStore`.

    Args:
        run: Drives an operation.
        link: How the server is spoken to.
    """

    def __init__(self, run: Callable[[Flow[Any]], Awaitable[Any]], link: Link) -> None:
        self._run = run
        self._link = link

    async def models(self) -> list[ModelSummary]:
        """Every model with its newest version, by name; those that the key may look at."""
        told: list[ModelSummary] = await self._run(store.models(self._link))
        return told

    async def versions(self, name: str) -> list[VersionRecord]:
        """Every version of a model, the oldest first."""
        told: list[VersionRecord] = await self._run(store.versions(self._link, name))
        return told

    async def show(self, ref: str) -> Shown:
        """All that is known of a version."""
        told: Shown = await self._run(store.show(self._link, ref))
        return told

    async def answered(self, request_id: str) -> list[Answered]:
        """Which versions answered a request of this id, the last first."""
        told: list[Answered] = await self._run(store.answered(self._link, request_id))
        return told

    async def at(self, ref: str, moment: float) -> Move:
        """The move by which ``NAME@ALIAS`` pointed to what it did at a moment (s since 1970)."""
        told: Move = await self._run(store.at(self._link, ref, moment))
        return told

    async def diff(self, first: str, second: str) -> Difference:
        """What changed from one version to another."""
        told: Difference = await self._run(store.diff(self._link, first, second))
        return told

    async def lineage(self, ref: str) -> Lineage:
        """Where a version comes from, up to its first parents."""
        told: Lineage = await self._run(store.lineage(self._link, ref))
        return told

    async def alias(self, name: str, alias: str, version: int, reason: str = "") -> Move:
        """Let an alias point to a version."""
        told: Move = await self._run(store.alias(self._link, name, alias, version, reason))
        return told

    async def rollback(self, name: str, alias: str = DEFAULT_ALIAS, reason: str = "") -> Move:
        """Let an alias point to where it pointed before; again and again, each time one step further back."""
        told: Move = await self._run(store.rollback(self._link, name, alias, reason))
        return told

    async def delete(self, ref: str, reason: str = "") -> VersionRecord:
        """Take a version out, named by its number."""
        told: VersionRecord = await self._run(store.delete(self._link, ref, reason))
        return told

    async def gc(self, *, dry_run: bool = False) -> Collected:
        """Give back the space of what no version needs."""
        told: Collected = await self._run(store.gc(self._link, dry_run=dry_run))
        return told

    async def verify(self, ref: str = "") -> Verified:
        """Hold every byte of a version, or of the whole store, against its digest."""
        told: Verified = await self._run(store.verify(self._link, ref))
        return told
