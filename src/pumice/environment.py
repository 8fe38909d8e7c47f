"""The process's environment: the one place that looks at it. Light, since every start goes through here."""

from __future__ import annotations

import os
from collections.abc import Mapping

PREFIX = "PUMICE_"
"""What the names of our settings begin with."""


def own_settings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our settings in the environment, by name in lower case without the prefix.

    Args:
        environ: The environment; the process's own if left out.
    """
    env = os.environ if environ is None else environ
    return {key.removeprefix(PREFIX).lower(): value for key, value in env.items() if key.startswith(PREFIX)}


def of_replicas(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a replica's process: the server's own, less Pumice's settings.

    Args:
        environ: The environment; the process's own if left out.
    """
    env = os.environ if environ is None else environ
    return {key: value for key, value in env.items() if not key.startswith(PREFIX)}
