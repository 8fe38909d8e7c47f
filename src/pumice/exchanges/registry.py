"""Find the exchange of a source or target."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from pumice.domain.errors import BadSetting
from pumice.exchanges.base import Access, Exchange

GROUP = "pumice.exchanges"
"""Entry point group of exchanges."""


def exchanges() -> Mapping[str, type[Exchange]]:
    """Import the exchanges that the installed packages declare, Pumice's own first, each under its name.

    Raises:
        BadSetting: Two packages declare one name, or one of them cannot be imported.
    """
    found: dict[str, type[Exchange]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda one: (not one.value.startswith("pumice."), one.name)):
        try:
            kind = entry.load()
        except (ImportError, AttributeError) as error:
            raise BadSetting(f"exchange '{entry.name}'", f"{entry.value} ({error})", "an Exchange class") from error
        if found.setdefault(entry.name, kind) is not kind:
            raise BadSetting(f"exchange '{entry.name}'", f"{entry.value}, a second one", "one: uninstall the other's")
    return found


def exchange_of_source(source: str, access: Access) -> tuple[Exchange, str]:
    """Find who reads a source: the one that is named before the first ``:``, or the one that recognises it.

    Returns:
        The exchange, and the source without the name.

    Raises:
        BadSetting: No exchange takes it, or several do.
    """
    known = exchanges()
    named = _named(known, source)
    if named:
        return known[named[0]](access), named[1]
    takers = [name for name, kind in known.items() if kind.recognises(source)]
    if len(takers) == 1:
        return known[takers[0]](access), source
    problem = f"which {' and '.join(takers)} take" if takers else "which no form recognises"
    raise BadSetting("SOURCE", f"'{source}', {problem}", f"its form before it: {_forms(known)}")


def exchange_of_target(target: str, access: Access) -> tuple[Exchange, str]:
    """Find who writes a target: the one that is named before the first ``:``.

    Returns:
        The exchange, and the target without the name.

    Raises:
        BadSetting: None is named.
    """
    known = exchanges()
    named = _named(known, target)
    if named is None:
        raise BadSetting("TARGET", f"'{target}'", f"a form before it: {_forms(known)}")
    return known[named[0]](access), named[1]


def _named(known: Mapping[str, type[Exchange]], text: str) -> tuple[str, str] | None:
    name, colon, rest = text.partition(":")
    return (name, rest) if colon and rest and name in known else None


def _forms(known: Mapping[str, type[Exchange]]) -> str:
    return ", ".join(f"{name}:… ({kind.title})" for name, kind in known.items()) or "none is installed"
