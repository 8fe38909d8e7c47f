"""What `pumice serve` does, and its plain command lines read without a framework.

Typer, with pydantic that it imports, would cost a server 7 MB and much of the time before its models load, and its
command line is nearly always just values behind ``--names``. Whatever else it may be (``--help``, a typing error),
typer reads it, and words the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pumice.app import fit_connections, make_server, raise_limit, tell_connections, with_names
from pumice.config import load_settings
from pumice.domain.errors import BadSetting
from pumice.environment import blot_out_own_settings, of_replicas
from pumice.service.access.binding import demand_auth

SETTINGS = (
    "host",
    "port",
    "grpc_port",
    "workers",
    "replicas",
    "threads",
    "provider",
    "max_batch_size",
    "max_delay_ms",
    "timeout",
    "cache_size",
    "auth",
    "memory_budget",
    "tls_cert",
    "tls_key",
    "home",
    "log_level",
    "log_format",
)
"""Settings that are options with a value."""

_OPTIONS = {f"--{name.replace('_', '-')}": name for name in SETTINGS}
_FLAGS = {"--insecure": "insecure"}
_PATHS = {"-f": "file", "--file": "file", "--announce": "announce"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A command line of ``pumice serve``.

    Attributes:
        settings: Values by the names of `SETTINGS`, text or not; None counts as not given.
        sources: ``[NAME=]SOURCE`` arguments.
        file: YAML file of settings.
        announce: File that is told the addresses.
    """

    settings: Mapping[str, str | float | None]
    sources: Sequence[str] = field(default_factory=list)
    file: Path | None = None
    announce: Path | None = None


def run_server(wish: Wish) -> None:
    """Serve until told to stop.

    Raises:
        PumiceError: A setting is wrong, or a model cannot be loaded.
    """
    given = dict(wish.settings) | ({"models": with_names(wish.sources)} if wish.sources else {})
    settings = load_settings(given, wish.file)
    if not settings.models:
        raise BadSetting("SOURCE", "nothing to serve", "a path or module:Class as argument, or 'models' in a file")
    demand_auth(settings.host, asks=settings.auth != "none" or bool(settings.tls_client_ca), insecure=settings.insecure)
    blot_out_own_settings()  # before a replica loads anything
    fitted = fit_connections(settings, raise_limit())
    server = make_server(fitted, of_replicas())  # the replicas load from here on

    from pumice.observe.logs import set_up_logs

    set_up_logs(settings.log_level, settings.log_format)
    tell_connections(settings, fitted)
    server.run(wish.announce)


def read_plain(words: Sequence[str]) -> Wish | None:
    """Read a command line that is nothing but sources and options with their values.

    Args:
        words: What follows ``pumice serve``.

    Returns:
        None if it is anything else.
    """
    settings: dict[str, str | float | None] = {}
    paths: dict[str, Path] = {}
    sources: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            sources.append(word)
            continue
        if word in _FLAGS:
            settings[_FLAGS[word]] = True
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        text = value if equals else next(rest, None)
        if text is None or (name not in _OPTIONS and name not in _PATHS):
            return None
        if name in _OPTIONS:
            settings[_OPTIONS[name]] = text
        else:
            paths[_PATHS[name]] = Path(text)
    return Wish(settings, sources, **paths)
