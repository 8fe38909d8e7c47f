"""Which passes the installed packages declare (entry points, group ``pumice.passes``)."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from pumice.domain.errors import BadSetting
from pumice.optimize.passes.base import Pass

GROUP = "pumice.passes"
"""Entry point group of passes."""


@cache
def installed_passes() -> dict[str, type[Pass[Any]]]:
    """Import all passes that the installed packages declare, by name, Pumice's own first.

    Raises:
        BadSetting: Two packages declare different passes under one name, or one cannot be imported.
    """
    declared: dict[str, str] = {}
    found: dict[str, type[Pass[Any]]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda it: (not it.value.startswith("pumice."), it.name)):
        if declared.setdefault(entry.name, entry.value) != entry.value:
            given = f"both {declared[entry.name]} and {entry.value}"
            raise BadSetting(f"pass '{entry.name}'", given, "one of them: uninstall the other's package")
        try:
            kind = entry.load()
        except (ImportError, AttributeError) as error:
            kind, problem = None, f" ({error})"
        else:
            problem = ""
        if not (isinstance(kind, type) and issubclass(kind, Pass)):
            given = f"the entry point '{entry.value}'{problem}"
            raise BadSetting(f"pass '{entry.name}'", given, f"a Pass class in group '{GROUP}'")
        found[entry.name] = kind
    return found


def pass_class(name: str) -> type[Pass[Any]]:
    """Find the pass of this name.

    Raises:
        BadSetting: No installed package declares it.
    """
    found = installed_passes()
    if name not in found:
        raise BadSetting("pass", repr(name), f"the installed passes: {', '.join(found)}")
    return found[name]
