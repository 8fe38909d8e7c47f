"""Errors of the command line, a file or this machine."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.domain.errors.base import PumiceError


class SetupError(PumiceError):
    """The command line, a file, or this machine is wrong."""

    code = "setup"
    title = "Wrong set-up"


@dataclass(eq=False)
class BadSetting(SetupError):
    """A setting that is unknown or has a value that is not allowed.

    Args:
        key: Name of the setting, with its origin if known.
        given: The value.
        allowed: What may be given, and the mend.
    """

    key: str
    given: str
    allowed: str
    code = "bad-setting"
    title = "A setting is wrong"

    @property
    def message(self) -> str:
        """Name the key, the value and the mend."""
        return f"{self.key}: given {self.given}; allowed {self.allowed}"


@dataclass(eq=False)
class BadArtefact(SetupError):
    """A model file that cannot be used.

    Args:
        path: The file or folder.
        problem: What is wrong with it.
        mend: What to do.
    """

    path: str
    problem: str
    mend: str
    code = "bad-artefact"
    title = "A model file cannot be used"

    @property
    def message(self) -> str:
        """Name the file, the fault and the mend."""
        return f"{self.path}: {self.problem}; {self.mend}"


@dataclass(eq=False)
class UnsafeArtefact(SetupError):
    """A model file that may run code when it is read.

    Args:
        path: The file.
        found: What it is.
        mend: The way to convert it.
    """

    path: str
    found: str
    mend: str
    code = "unsafe-artefact"
    title = "A model file may run code"

    @property
    def message(self) -> str:
        """Name the file, what was found in it and the way to convert it."""
        return f"{self.path}: refused, it is {self.found}, and reading it may run any code; {self.mend}"


@dataclass(eq=False)
class MissingDependency(SetupError):
    """An optional library is not installed.

    Args:
        feature: What needs it.
        package: The library.
        install: The command that installs it.
    """

    feature: str
    package: str
    install: str
    code = "missing-dependency"
    title = "An optional library is missing"

    @property
    def message(self) -> str:
        """Give the install command."""
        return f"{self.feature} needs {self.package}; install it with: {self.install}"
