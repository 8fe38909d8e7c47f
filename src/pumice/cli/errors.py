"""The one table from our errors to exit codes, and how an error is shown."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from pumice.client import errors as c
from pumice.domain import errors as e


class ExitCode(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    FAILED = 1
    WRONG = 2
    """The command line or a file is wrong: trying again does not help, mending does."""
    GATE = 3
    """A gate said no."""


EXIT_CODES: Mapping[type[e.PumiceError], ExitCode] = MappingProxyType(
    {
        e.PumiceError: ExitCode.FAILED,
        e.BadRequest: ExitCode.WRONG,
        e.MalformedInput: ExitCode.WRONG,
        e.Unfit: ExitCode.WRONG,
        e.SignatureMismatch: ExitCode.WRONG,
        e.UncleanText: ExitCode.WRONG,
        e.TooLarge: ExitCode.WRONG,
        e.NotAllowed: ExitCode.FAILED,
        e.Unauthenticated: ExitCode.FAILED,
        e.Forbidden: ExitCode.FAILED,
        e.RateLimited: ExitCode.FAILED,
        e.LoadFailed: ExitCode.FAILED,
        e.LoadRefused: ExitCode.WRONG,
        e.PushRefused: ExitCode.WRONG,
        e.NotFound: ExitCode.WRONG,
        e.KeyNotFound: ExitCode.WRONG,
        e.RequestNotFound: ExitCode.WRONG,
        e.ModelNotFound: ExitCode.WRONG,
        e.TaskNotFound: ExitCode.WRONG,
        e.RegionNotFound: ExitCode.WRONG,
        e.VersionNotFound: ExitCode.WRONG,
        e.UploadNotFound: ExitCode.FAILED,
        e.VersionInUse: ExitCode.FAILED,
        e.Tampered: ExitCode.GATE,
        e.Untrusted: ExitCode.GATE,
        e.ExchangeFailed: ExitCode.FAILED,
        e.Unsupported: ExitCode.WRONG,
        e.Unavailable: ExitCode.FAILED,
        e.ModelNotReady: ExitCode.FAILED,
        e.Overloaded: ExitCode.FAILED,
        e.OverShare: ExitCode.FAILED,
        e.StorageFailed: ExitCode.FAILED,
        e.KeyServiceFailed: ExitCode.FAILED,
        e.DeadlineExceeded: ExitCode.FAILED,
        e.Cancelled: ExitCode.FAILED,
        e.ModelError: ExitCode.FAILED,
        e.ModelFailed: ExitCode.FAILED,
        e.BadOutput: ExitCode.FAILED,
        e.SetupError: ExitCode.WRONG,
        e.BadSetting: ExitCode.WRONG,
        e.BadArtefact: ExitCode.WRONG,
        e.UnsafeArtefact: ExitCode.WRONG,
        e.StillSealed: ExitCode.WRONG,
        e.WrongSealKey: ExitCode.WRONG,
        e.MissingDependency: ExitCode.WRONG,
        c.ConnectionFailed: ExitCode.FAILED,
        c.BadAnswer: ExitCode.FAILED,
        c.TaskFailed: ExitCode.FAILED,
        c.ServerFailed: ExitCode.FAILED,
    }
)
"""Error class -> exit code; a test holds it against the whole tree."""


def exit_code(error: e.PumiceError) -> ExitCode:
    """Return the exit code of an error; a class that is not in the table has its nearest ancestor's."""
    return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def show(error: e.PumiceError, *, debug: bool) -> None:
    """Tell an error on standard error: one red line, and below it the traceback if asked for."""
    red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    sys.stderr.write(f"{red}pumice: {error.message}{plain}\n")
    if debug:
        sys.stderr.write("".join(traceback.format_exception(error)))
