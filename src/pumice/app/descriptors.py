"""Descriptors of files: as many as the system gives, and no more connections than they hold."""

from __future__ import annotations

import logging
import resource

import msgspec

from pumice.config import Settings
from pumice.domain.errors import BadSetting

SPARE = 256
"""What one process needs besides its connections over HTTP and its replicas: its own files, the connections of gRPC,
and those over HTTP that are being told that there is no room."""

_PER_REPLICA = 8
"""Sockets and shared memory by which a process is connected to one replica, and one more while it is replaced."""

_log = logging.getLogger("pumice")


def raise_limit() -> int:
    """Raise the number of descriptors that this process may have to what the system allows it.

    Returns:
        The number.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS allows less than it says
        return soft
    return hard


def fit_connections(settings: Settings, limit: int) -> Settings:
    """Lower ``max_connections`` to what the descriptors of each front process hold.

    Args:
        settings: All settings.
        limit: Descriptors that a process may have; negative: any number.

    Raises:
        BadSetting: They hold none.
    """
    replicas = sum(settings.of_model(model).replicas or 1 for model in settings.models)
    spare = SPARE + _PER_REPLICA * replicas
    if limit < 0 or limit >= spare + -(-settings.max_connections // settings.workers):
        return settings
    room = (limit - spare) * settings.workers
    if room < 1:
        allowed = f"{spare + 1} or more for these models (`ulimit -n`, or LimitNOFILE= of systemd)"
        raise BadSetting("limit of open files", str(limit), allowed)
    return msgspec.structs.replace(settings, max_connections=room)


def tell_connections(wanted: Settings, given: Settings) -> None:
    """Log that fewer connections are taken than the settings say, if so."""
    if given.max_connections < wanted.max_connections:
        told = {"max_connections": given.max_connections, "wanted": wanted.max_connections}
        _log.warning("the system's limit of open files (`ulimit -n`) holds fewer connections", extra=told)
