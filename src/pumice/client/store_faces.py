"""The model store of a server, for `Client` and `AsyncClient`; what the operations do is in `pumice.client.store`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pumice.client import store, transfers
from pumice.client.flow import Flow, Link
from pumice.client.transfers import Admit, Package, Progress
from pumice.domain.store.difference import Difference
from pumice.domain.store.names import DEFAULT_ALIAS
from pumice.domain.store.records import ModelSummary, Move, VersionRecord
from pumice.domain.store.told import (
    Answered,
    Collected,
    KeyLine,
    Lineage,
    Resealed,
    Shown,
    SignedStatement,
    Verified,
)
from pumice.domain.store.wishes import PushWish


def _silent(_done: int, _total: int) -> None:
    """Tells nobody."""


class ServerStore:
    """The model store of a server. All of them raise `pumice.domain.errors.PumiceError` when the server refuses.

    Args:
        run: Drives an operation.
        link: How the server is spoken to.

    Attributes:
        keys: The keys that it signs with and trusts.
    """

    def __init__(self, run: Callable[[Flow[Any]], Any], link: Link) -> None:
        self._run = run
        self._link = link
        self.keys = ServerKeys(run, link)

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

    def push(
        self, source: str | Path | Package, name: str, wish: PushWish | None = None, progress: Progress = _silent
    ) -> VersionRecord:
        """Store a file or a folder as the next version of a model.

        The server is told the digests of the files, and gets what it lacks, in parts. A push that was cut off is gone
        on with by the next one of the same files with the same words, also if the server was started anew.

        Args:
            source: A folder, taken whole; a file, taken alone; or what `Package` names.
            name: Name of the model; made if it is new.
            wish: What else is said of the version.
            progress: Told how far it is: first of what is read, then of what is sent.

        Raises:
            BadArtefact: The source is not there, or leads out of its folder.
            Tampered: The server stored something else.
            PumiceError: The server refuses, or cannot be reached.
        """
        package = source if isinstance(source, Package) else Package.of(source)
        done: VersionRecord = self._run(transfers.push(self._link, name, package, wish or PushWish(), progress))
        return done

    def pull(self, ref: str, folder: str | Path, progress: Progress = _silent, *, trust: Admit | None) -> VersionRecord:
        """Write the files of a version into a folder that is not there yet, or empty. All of them appear at once.

        Every file is held against the digest in the manifest. A pull that was cut off is gone on with by the next one
        of the same version into the same folder.

        Args:
            ref: The version.
            folder: The folder.
            progress: Told how far it is.
            trust: Says who is believed, such as `pumice.Store.trust` of a home; None: nobody asks who signed it.

        Raises:
            BadArtefact: The folder has something in it.
            StillSealed: The version is sealed.
            Tampered: What came is not what its digest says.
            Untrusted: No key that is trusted here signed it.
            StorageFailed: Something could not be written.
            PumiceError: The server refuses, or cannot be reached.
        """
        done: VersionRecord = self._run(transfers.pull(self._link, ref, Path(folder), trust, progress))
        return done

    def statements(self, ref: str) -> list[SignedStatement]:
        """Every signed statement about a version, as Sigstore bundles, the oldest first."""
        told: list[SignedStatement] = self._run(store.statements(self._link, ref))
        return told

    def attest(self, ref: str, form: str, predicate: Mapping[str, object]) -> SignedStatement:
        """Have the server sign a further statement about a version, such as evidence."""
        told: SignedStatement = self._run(store.attest(self._link, ref, form, predicate))
        return told

    def sign(self, name: str) -> list[VersionRecord]:
        """Have the server sign what no trusted key signed of a name; the versions that it signed."""
        told: list[VersionRecord] = self._run(store.sign(self._link, name))
        return told

    def reseal(self, name: str = "", reason: str = "") -> list[Resealed]:
        """Have the server wrap the keys of sealed versions with the first key of its ``seal_key``."""
        told: list[Resealed] = self._run(store.reseal(self._link, name, reason))
        return told


class ServerKeys:
    """The keys that a server's store signs with and trusts.

    Args:
        run: Drives an operation.
        link: How the server is spoken to.
    """

    def __init__(self, run: Callable[[Flow[Any]], Any], link: Link) -> None:
        self._run = run
        self._link = link

    def lines(self) -> list[KeyLine]:
        """The key that the server signs with; those that it trusts, too, for who may look at all models."""
        told: list[KeyLine] = self._run(store.keys(self._link))
        return told

    def trust(self, pem: str, models: Sequence[str] = ("*",), name: str = "") -> KeyLine:
        """Let the server trust a public key, or those that an authority's certificate vouches for (PEM)."""
        told: KeyLine = self._run(store.trust(self._link, pem, models, name or "unnamed"))
        return told

    def revoke(self, key: str, reason: str = "") -> KeyLine:
        """Let the server believe nothing any longer that a key signed."""
        told: KeyLine = self._run(store.revoke(self._link, key, reason))
        return told


class AsyncServerStore:
    """The model store of a server, with ``await`` before every operation; else as `ServerStore`.

    Args:
        run: Drives an operation.
        link: How the server is spoken to.

    Attributes:
        keys: The keys that it signs with and trusts.
    """

    def __init__(self, run: Callable[[Flow[Any]], Awaitable[Any]], link: Link) -> None:
        self._run = run
        self._link = link
        self.keys = AsyncServerKeys(run, link)

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

    async def push(
        self, source: str | Path | Package, name: str, wish: PushWish | None = None, progress: Progress = _silent
    ) -> VersionRecord:
        """Store a file or a folder as the next version of a model; as `ServerStore.push`."""
        package = source if isinstance(source, Package) else Package.of(source)
        done: VersionRecord = await self._run(transfers.push(self._link, name, package, wish or PushWish(), progress))
        return done

    async def pull(
        self, ref: str, folder: str | Path, progress: Progress = _silent, *, trust: Admit | None
    ) -> VersionRecord:
        """Write the files of a version into a folder; as `ServerStore.pull`."""
        done: VersionRecord = await self._run(transfers.pull(self._link, ref, Path(folder), trust, progress))
        return done

    async def statements(self, ref: str) -> list[SignedStatement]:
        """Every signed statement about a version, as Sigstore bundles, the oldest first."""
        told: list[SignedStatement] = await self._run(store.statements(self._link, ref))
        return told

    async def attest(self, ref: str, form: str, predicate: Mapping[str, object]) -> SignedStatement:
        """Have the server sign a further statement about a version, such as evidence."""
        told: SignedStatement = await self._run(store.attest(self._link, ref, form, predicate))
        return told

    async def sign(self, name: str) -> list[VersionRecord]:
        """Have the server sign what no trusted key signed of a name; the versions that it signed."""
        told: list[VersionRecord] = await self._run(store.sign(self._link, name))
        return told

    async def reseal(self, name: str = "", reason: str = "") -> list[Resealed]:
        """Have the server wrap the keys of sealed versions with the first key of its ``seal_key``."""
        told: list[Resealed] = await self._run(store.reseal(self._link, name, reason))
        return told


class AsyncServerKeys:
    """The keys that a server's store signs with and trusts, with ``await``; else as `ServerKeys`.

    Args:
        run: Drives an operation.
        link: How the server is spoken to.
    """

    def __init__(self, run: Callable[[Flow[Any]], Awaitable[Any]], link: Link) -> None:
        self._run = run
        self._link = link

    async def lines(self) -> list[KeyLine]:
        """The key that the server signs with; those that it trusts, too, for who may look at all models."""
        told: list[KeyLine] = await self._run(store.keys(self._link))
        return told

    async def trust(self, pem: str, models: Sequence[str] = ("*",), name: str = "") -> KeyLine:
        """Let the server trust a public key, or those that an authority's certificate vouches for (PEM)."""
        told: KeyLine = await self._run(store.trust(self._link, pem, models, name or "unnamed"))
        return told

    async def revoke(self, key: str, reason: str = "") -> KeyLine:
        """Let the server believe nothing any longer that a key signed."""
        told: KeyLine = await self._run(store.revoke(self._link, key, reason))
        return told
