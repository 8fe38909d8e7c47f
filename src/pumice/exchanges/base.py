"""The contract of an exchange: versions from elsewhere in, versions of the store out."""

from __future__ import annotations

import abc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from pumice.domain.model import Manifest
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.records import VersionRecord

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""


class Access(msgspec.Struct, frozen=True):
    """How an exchange may speak to a server.

    Attributes:
        token: What it shows there: a bearer token, or ``USER:PASSWORD``; empty: nothing.
        ca: Authorities that it trusts (PEM file); empty: the system's.
    """

    token: str = ""
    ca: str = ""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What came in besides the files.

    Attributes:
        name: Name of the model there; empty: it has none.
        entry: The file that is stored with what it needs; empty: the folder is stored whole.
        manifest: What is known of it, where none of its files is a ``manifest.json``.
        origin: Where it comes from, for the recipe of the version.
        digests: SHA-256 in hex that files must have, by path; files that are not named here are not held to one.
        aliases: Aliases that it has there.
        notes: What its reader should know: files that were left out, code that is not run.
    """

    name: str = ""
    entry: str = ""
    manifest: Manifest | None = None
    origin: dict[str, Any]
    digests: dict[str, str] = msgspec.field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is to go out.

    Attributes:
        record: How it was entered.
        manifest: What its digest stands for.
        aliases: Aliases that it is to have there.
        unpack: Writes its files into a folder that is not there yet; each is held against its digest. A signature
            of them lies among them as ``model.sig``.
        statements: Every other signed statement about it, as Sigstore bundles: where it comes from, and evidence.
    """

    record: VersionRecord
    manifest: VersionManifest
    aliases: tuple[str, ...] = ()
    unpack: Callable[[Path], None]
    statements: tuple[bytes, ...] = ()


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a version that went out.

    Attributes:
        place: Where it is now.
        about: What identifies it there: digest, number, run.
        notes: What its sender should know.
    """

    place: str
    about: dict[str, Any]
    notes: tuple[str, ...] = ()


class Exchange(abc.ABC):
    """One form in which models come in and go out.

    Args:
        access: How it may speak to a server.

    Attributes:
        name: Name of the entry point, and what stands before the ``:`` of a source or target.
        title: What people call it.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, access: Access) -> None:
        self.access = access

    @classmethod
    @abc.abstractmethod
    def recognises(cls, source: str) -> bool:
        """Whether a source without a form before it is surely of this one; reads little and changes nothing."""

    @abc.abstractmethod
    def fetch(self, source: str, folder: Path, progress: Progress) -> Arrival:
        """Lay the files of a model down in an empty folder, as they are.

        Nothing that came with the model is run. The caller looks into the files and stores them.

        Args:
            source: Where it is; its grammar is the exchange's own.
            folder: Gets the files. Those that lie on this machine may be hard links.
            progress: Told how far it is.

        Raises:
            BadArtefact: It is not there, or not of this form.
            MalformedInput: Something in it cannot be read, or leads out of its place.
            Tampered: Bytes are not what their digest says.
            UnsafeArtefact: It needs code that would have to be run.
            ExchangeFailed: The other side cannot be reached, or said no.
        """

    @abc.abstractmethod
    def send(self, parcel: Parcel, target: str, progress: Progress) -> Sent:
        """Bring a version to a place outside of the store.

        Args:
            parcel: The version.
            target: Where to; its grammar is the exchange's own.
            progress: Told how far it is.

        Raises:
            BadArtefact: There is something at the target already.
            StorageFailed: It could not be written.
            ExchangeFailed: The other side cannot be reached, or said no.
        """
