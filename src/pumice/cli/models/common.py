"""What the commands about stored models share: the store, options, and how far a transfer is."""

from __future__ import annotations

import contextlib
import getpass
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, NamedTuple, Protocol, TypeVar

import typer

from pumice.cli.servers import connect
from pumice.client.store_faces import ServerStore
from pumice.config import load_settings
from pumice.domain.errors import BadSetting, PumiceError
from pumice.domain.store.difference import Difference
from pumice.domain.store.names import DEFAULT_ALIAS
from pumice.domain.store.records import ModelSummary, Move, VersionRecord
from pumice.domain.store.told import Answered, Collected, Lineage, Shown
from pumice.service.access.audit import Act, Audit
from pumice.service.answers.log import answered
from pumice.service.store import Store
from pumice.service.store.exchanging import Depot
from pumice.service.store.remote import RemoteStore
from pumice.service.store.types import Progress

T = TypeVar("T")

LINE_EVERY_S = 10.0
"""How often a line is written where there is no terminal (s)."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the journal.")]
RefArgument = Annotated[str, typer.Argument(metavar="REF", help="NAME, NAME@VERSION or NAME@ALIAS.")]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the model.")]

TIMEOUT_S = 30.0
"""Longest wait for a server's answer, where it does not read or write much (s)."""

TRANSFER_RETRIES = 8
"""How often a part of a transfer is sent again: for a quarter of a minute, in which a server starts anew."""

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


UrlOption = Annotated[str | None, typer.Option("--url", metavar="URL", help="A running server, instead of the home.")]


class Kept(Protocol):
    """The model store: that of the home, or that of a server."""

    def models(self) -> list[ModelSummary]:
        """See `Store`."""

    def versions(self, name: str) -> list[VersionRecord]:
        """See `Store`."""

    def show(self, ref: str) -> Shown:
        """See `Store`."""

    def at(self, ref: str, moment: float) -> Move:
        """See `Store`."""

    def diff(self, first: str, second: str) -> Difference:
        """See `Store`."""

    def lineage(self, ref: str) -> Lineage:
        """See `Store`."""

    def alias(self, name: str, alias: str, version: int, reason: str = "") -> Move:
        """See `Store`."""

    def rollback(self, name: str, alias: str = DEFAULT_ALIAS, reason: str = "") -> Move:
        """See `Store`."""

    def delete(self, ref: str, reason: str = "") -> VersionRecord:
        """See `Store`."""

    def gc(self, *, dry_run: bool = False) -> Collected:
        """See `Store`."""


class Where(NamedTuple):
    """Which store a command works on.

    Attributes:
        url: A running server; None: the home.
        api_key: Key to send to it; None: that of the settings.
    """

    url: str | None
    api_key: str | None

    @contextlib.contextmanager
    def looking(self) -> Iterator[Kept]:
        """Open it, to look."""
        if self.url is None:
            with Store() as store:
                yield store
        else:
            with self.server() as server:
                yield server

    @contextlib.contextmanager
    def server(self) -> Iterator[ServerStore]:
        """Open the store of the server."""
        with connect(self.url, TIMEOUT_S, self.api_key) as client:
            yield client.store

    @contextlib.contextmanager
    def far(self, *, signs: bool = False) -> Iterator[RemoteStore]:
        """Open the store of the server for transfers, which outlast a server that is started anew.

        Args:
            signs: Whether this home's key signs what is pushed.
        """
        with connect(self.url, TIMEOUT_S, self.api_key, retries=TRANSFER_RETRIES) as client:
            yield RemoteStore(client, load_settings({}), signs=signs)

    def storing(self, what: str, target: Mapping[str, str], run: Callable[[Depot], T], *, signs: bool = False) -> T:
        """Bring something into it; a server writes it down itself.

        Args:
            what: What is done, for the audit record.
            target: With what.
            run: Does it.
            signs: Whether this home's key signs what is sent to a server.
        """
        if self.url is None:
            return changing(what, target, run)
        with self.far(signs=signs) as store:
            return run(store)

    @contextlib.contextmanager
    def taking(self) -> Iterator[Store | RemoteStore]:
        """Open it, to take files out."""
        if self.url is None:
            with Store() as store:
                yield store
        else:
            with self.far() as far:
                yield far

    def answered(self, request_id: str) -> list[Answered]:
        """Which versions answered a request."""
        if self.url is None:
            with Store() as store:
                return answered(store.engine, request_id)
        with connect(self.url, TIMEOUT_S, self.api_key) as client:
            return client.store.answered(request_id)

    def changing(self, what: str, target: Mapping[str, str], run: Callable[[Kept], T]) -> T:
        """Change something; a server writes it down itself."""
        if self.url is None:
            return changing(what, target, run)
        with self.looking() as store:
            return run(store)


def changing(what: str, target: Mapping[str, str], run: Callable[[Store], T]) -> T:
    """Change something in the store, and write it down in the audit record too."""
    with writing_down(what, target) as who, Store(by=who) as store:
        return run(store)


@contextlib.contextmanager
def writing_down(what: str, target: Mapping[str, str]) -> Iterator[str]:
    """Write an act of management down in the audit record of the home, when it has ended; hands out who does it."""
    settings = load_settings({})
    who = f"local:{getpass.getuser()}"
    result = "done"
    try:
        yield who
    except PumiceError as error:
        result = f"failed: {error.message}"
        raise
    finally:
        audit = Audit(settings.home_path, settings.audit_max_bytes)
        audit.record(Act(who=who, what=what, target=target, result=result, origin="local"))


@contextlib.contextmanager
def unsealing(url: str | None) -> Iterator[Store]:
    """Open the home, to tell what is sealed.

    Raises:
        BadSetting: A server was to tell it.
    """
    if url is not None:
        raise BadSetting("--unseal", "together with --url", "one of them: a server tells nothing that is sealed")
    with Store() as store:
        yield store


@contextlib.contextmanager
def telling(what: str) -> Iterator[Progress]:
    """Tell on standard error how far a transfer is: a bar on a terminal, a line now and then elsewhere.

    Args:
        what: What is being done, for example ``pushing``.
    """
    lines = now_and_then(lambda done, total: f"{what}: {size_text(done)} of {size_text(total)}")
    with _bar(what) if sys.stderr.isatty() else contextlib.nullcontext(lines) as tell:
        yield tell


def size_text(count: int) -> str:
    """Bytes, as people read them."""
    number, unit = float(count), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{count} bytes" if not unit else f"{number:.1f} {_UNITS[unit]}"


def time_text(moment: float) -> str:
    """A moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def now_and_then(line: Callable[[int, int], str]) -> Progress:
    """Progress as a line on standard error, now and then.

    Args:
        line: What it says of how much is done, and of how much.
    """
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= LINE_EVERY_S:
            told = now
            sys.stderr.write(f"{line(done, total)}\n")

    return tell


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("", total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
