"""Names in the store: models, aliases, references to a version, and the paths of a model's files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pumice.domain.errors import BadSetting, MalformedInput

DEFAULT_ALIAS = "prod"
"""The alias that a rollback without a name is about."""

LONGEST_PATH = 1024
"""Longest path of a file inside a model (bytes in UTF-8)."""

LONGEST_PART = 255
"""Longest name of a file or folder (bytes in UTF-8), as most file systems have it."""

_LEFT_OUT = frozenset(
    (
        *(".git", ".hg", ".svn", ".DS_Store", ".idea", ".vscode"),
        *("__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".cache", ".venv"),
        *(
            "node_modules",
            ".env",
            ".envrc",
            ".netrc",
            ".pypirc",
            ".npmrc",
            ".aws",
            ".ssh",
            ".gnupg",
            ".kube",
            ".docker",
        ),
    )
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NAME_RULE = "1 to 128 letters, digits, '.', '_' or '-', the first a letter or digit"
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_ALIAS_RULE = "1 to 64 letters, digits, '.', '_' or '-', the first a letter"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a version: ``NAME`` (the newest), ``NAME@VERSION`` or ``NAME@ALIAS``.

    Attributes:
        model: Name of the model.
        version: Number of the version, or None.
        alias: The alias, or an empty string.
    """

    model: str
    version: int | None = None
    alias: str = ""

    def __str__(self) -> str:
        at = self.alias if self.version is None else str(self.version)
        return f"{self.model}@{at}" if at else self.model


def parse_ref(text: str) -> Ref:
    """Read a reference.

    Raises:
        BadSetting: It is none.
    """
    model, at, which = text.partition("@")
    check_model_name(model)
    if not at:
        return Ref(model)
    if _NUMBER.fullmatch(which):
        return Ref(model, version=int(which))
    if _ALIAS.fullmatch(which):
        return Ref(model, alias=which)
    raise BadSetting("REF", repr(text), f"NAME, NAME@VERSION (a number from 1) or NAME@ALIAS ({_ALIAS_RULE})")


def parse_numbered(ref: str) -> Ref:
    """Read a reference that must say a number.

    Raises:
        BadSetting: It says none.
    """
    parsed = parse_ref(ref)
    if parsed.version is None:
        raise BadSetting("REF", repr(ref), "NAME@VERSION: what is deleted is named by its number")
    return parsed


def check_model_name(name: str) -> str:
    """Return the name of a model if it may have it.

    Raises:
        BadSetting: It may not.
    """
    if not _NAME.fullmatch(name):
        raise BadSetting("name of a model", repr(name), _NAME_RULE)
    return name


def check_alias(alias: str) -> str:
    """Return an alias if it may be one.

    Raises:
        BadSetting: It may not.
    """
    if not _ALIAS.fullmatch(alias):
        raise BadSetting("alias", repr(alias), _ALIAS_RULE)
    return alias


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is no part of a model: version control, caches, and files for secrets."""
    return name in _LEFT_OUT or name.startswith(".env.") or name.endswith(".pyc")


def check_path(path: str) -> str:
    """Return the path of a file inside a model if it stays inside on every system.

    Args:
        path: Relative, with ``/`` between its parts.

    Raises:
        MalformedInput: It is absolute, leads out, cannot be written in UTF-8, is too long, or has characters that
            mean something else elsewhere.
    """
    problem = _problem(path)
    if problem:
        raise MalformedInput(f"path {path!r} of a model's file", f"{problem}; rename the file")
    return path


def _problem(path: str) -> str:
    try:
        parts = [part.encode() for part in path.split("/")]
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if any(part in {b"", b".", b".."} for part in parts):
        return "it is empty, absolute, or leads out of the model's folder"
    if "\\" in path or any(ord(character) < 0x20 or ord(character) == 0x7F for character in path):
        return "it has a backslash or a control character"
    if max(map(len, parts)) > LONGEST_PART or len(path.encode()) > LONGEST_PATH:
        return f"it is longer than {LONGEST_PATH} bytes, or a part of it than {LONGEST_PART}"
    return ""
