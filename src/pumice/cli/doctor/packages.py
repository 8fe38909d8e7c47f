"""Installed libraries: what Pumice cannot do without, and its extras."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import metadata

import msgspec

DISTRIBUTION = "pumice"

_REQUIREMENT = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[(?P<extras>[^]]*)\])?(?:.*?extra\s*==\s*['\"](?P<extra>[\w-]+)['\"])?"
)


class Package(msgspec.Struct, frozen=True):
    """A library.

    Attributes:
        name: As ``pip`` knows it.
        version: The installed one; None: it is not installed.
    """

    name: str
    version: str | None


class Extra(msgspec.Struct, frozen=True):
    """An optional part.

    Attributes:
        name: Of the extra.
        packages: What it needs.
        install: The command that installs what is missing; empty if all is there.
    """

    name: str
    packages: tuple[Package, ...]
    install: str


class Runtime(msgspec.Struct, frozen=True):
    """ONNX Runtime.

    Attributes:
        version: Of the library.
        providers: Execution providers that it was built with, best first.
        problem: Why it cannot be used, or an empty string.
    """

    version: str = ""
    providers: tuple[str, ...] = ()
    problem: str = ""


def core_packages() -> tuple[Package, ...]:
    """List what is always needed."""
    return tuple(_package(name) for name, _, extra in _requirements() if not extra)


def extras() -> tuple[Extra, ...]:
    """List the optional parts, but for those that only join others."""
    needs: dict[str, dict[str, None]] = {}
    for name, _, extra in _requirements():
        if extra and name != DISTRIBUTION:
            needs.setdefault(extra, {})[name] = None
    return tuple(_extra(name, packages) for name, packages in needs.items() if not _only_joins(name, needs))


def onnx_runtime() -> Runtime:
    """Load ONNX Runtime and ask what it can do."""
    try:
        import onnxruntime
    except (ImportError, OSError) as error:
        return Runtime(problem=str(error))
    return Runtime(onnxruntime.__version__, tuple(onnxruntime.get_available_providers()))


def parse_requirement(text: str) -> tuple[str, tuple[str, ...], str]:
    """Split a requirement into its name, its own extras and the extra that it belongs to (PEP 508, what we write)."""
    match = _REQUIREMENT.match(text)
    if match is None:
        return text, (), ""
    inner = tuple(part.strip() for part in (match["extras"] or "").split(",") if part.strip())
    return match["name"], inner, match["extra"] or ""


def _requirements() -> Iterable[tuple[str, tuple[str, ...], str]]:
    return [parse_requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]


def _only_joins(name: str, needs: Mapping[str, Mapping[str, None]]) -> bool:
    """Whether an extra is nothing but smaller ones together."""
    own = needs[name].keys()
    parts = [other.keys() for other in needs.values() if other.keys() < own]
    return own == {package for part in parts for package in part}


def _extra(name: str, packages: Iterable[str]) -> Extra:
    found = tuple(_package(package) for package in packages)
    missing = any(package.version is None for package in found)
    return Extra(name, found, f"pip install 'pumice[{name}]'" if missing else "")


def _package(name: str) -> Package:
    try:
        return Package(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Package(name, None)
