"""The one error tree. Faces map it to HTTP, gRPC and exit codes in one table each.

PumiceError
├── BadRequest                 the caller's bytes cannot be read
│   └── MalformedInput
├── Unfit                      readable, but not what the signature or a limit allows
│   ├── SignatureMismatch
│   ├── UncleanText
│   └── TooLarge
├── NotFound
│   ├── ModelNotFound
│   └── TaskNotFound
├── Unsupported
├── Unavailable                come back later
│   ├── ModelNotReady
│   ├── Overloaded
│   └── StorageFailed
├── DeadlineExceeded
├── Cancelled
├── ModelError                 the model, not the caller
│   ├── ModelFailed
│   └── BadOutput
└── SetupError                 the command line, a file or the machine is wrong
    ├── BadSetting
    ├── BadArtefact
    └── MissingDependency

Every class is built from typed fields and says in ``message`` what was given, what is allowed, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class PumiceError(Exception):
    """Root of every error that Pumice raises on purpose.

    Attributes:
        code: A stable slug of the class, for programs.
        title: The class in a few words, for people.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    @property
    def message(self) -> str:
        """What was given, what is allowed, and what to do."""
        return self.title

    def __str__(self) -> str:
        return self.message


class BadRequest(PumiceError):
    """The request cannot be read."""

    code = "bad-request"
    title = "The request cannot be read"


@dataclass(eq=False)
class MalformedInput(BadRequest):
    """Bytes that are not what their format says.

    Args:
        what: The part that cannot be read, for example ``"body"`` or ``"input 'x'"``.
        problem: What is wrong with it and what is expected.
    """

    what: str
    problem: str
    code = "malformed-input"
    title = "The request cannot be read"

    @property
    def message(self) -> str:
        """Name the part and its fault."""
        return f"{self.what}: {self.problem}"


class Unfit(PumiceError):
    """The request can be read but does not fit."""

    code = "unfit"
    title = "The request does not fit"


@dataclass(eq=False)
class SignatureMismatch(Unfit):
    """A tensor that the version's signature does not allow.

    Args:
        model: Name of the model.
        what: The tensor or field, for example ``"input 'x'"``.
        given: What came.
        allowed: What the signature takes.
    """

    model: str
    what: str
    given: str
    allowed: str
    code = "signature-mismatch"
    title = "The inputs do not fit the model's signature"

    @property
    def message(self) -> str:
        """Hold the given against the allowed."""
        return f"{self.what} of model '{self.model}': given {self.given}; allowed {self.allowed}"


@dataclass(eq=False)
class UncleanText(Unfit):
    """Text that the model's cleaning policy refuses.

    Args:
        what: The tensor and element, for example ``"input 'text'[3]"``.
        problem: What was found in it.
    """

    what: str
    problem: str
    code = "unclean-text"
    title = "The text is refused by the model's cleaning policy"

    @property
    def message(self) -> str:
        """Name the fault and the setting that would repair it."""
        return f"{self.what} {self.problem}; send clean text, or set 'clean' to 'repair' in the model's manifest"


@dataclass(eq=False)
class TooLarge(Unfit):
    """Something larger than a limit.

    Args:
        what: What is too large.
        size: Its size, in ``unit``.
        limit: The most that is taken, in ``unit``.
        unit: For example ``"bytes"`` or ``"rows"``.
    """

    what: str
    size: int
    limit: int
    unit: str = "bytes"
    code = "too-large"
    title = "Too large"

    @property
    def message(self) -> str:
        """Give both figures."""
        return f"{self.what} has {self.size} {self.unit}; at most {self.limit} are taken"


class NotFound(PumiceError):
    """There is no such thing."""

    code = "not-found"
    title = "Not found"


@dataclass(eq=False)
class ModelNotFound(NotFound):
    """No served model, or no version of it, has this name.

    Args:
        model: The name that was asked for.
        version: The version that was asked for, or an empty string.
        known: Names (or versions) that are there.
    """

    model: str
    version: str = ""
    known: tuple[str, ...] = ()
    code = "model-not-found"
    title = "No such model"

    @property
    def message(self) -> str:
        """List what is served instead."""
        wanted = f"version '{self.version}' of model '{self.model}'" if self.version else f"model '{self.model}'"
        return f"{wanted} is not served; served: {', '.join(self.known) or 'nothing'}"


@dataclass(eq=False)
class TaskNotFound(NotFound):
    """No task has this id, or its result was kept long enough and is gone.

    Args:
        task_id: The id that was asked for.
    """

    task_id: str
    code = "task-not-found"
    title = "No such task"

    @property
    def message(self) -> str:
        """Name the id."""
        return f"task '{self.task_id}' is not known, or its result has expired"


@dataclass(eq=False)
class Unsupported(PumiceError):
    """A known part of a protocol that this server or model does not do.

    Args:
        what: What was asked for.
        instead: What to do instead.
    """

    what: str
    instead: str
    code = "unsupported"
    title = "Not supported"

    @property
    def message(self) -> str:
        """Say what to do instead."""
        return f"{self.what} is not supported; {self.instead}"


class Unavailable(PumiceError):
    """Not now; later perhaps.

    Attributes:
        retry_after_s: Seconds after which another try makes sense.
    """

    code = "unavailable"
    title = "Not available now"
    retry_after_s: float = 1.0


@dataclass(eq=False)
class ModelNotReady(Unavailable):
    """The model is known but has no replica that can answer.

    Args:
        model: Name of the model.
        reason: Why, for example ``"loading"`` or the error of its last start.
        retry_after_s: Seconds after which another try makes sense.
    """

    model: str
    reason: str
    retry_after_s: float = 1.0
    code = "model-not-ready"
    title = "The model is not ready"

    @property
    def message(self) -> str:
        """Give the reason."""
        return f"model '{self.model}' is not ready: {self.reason}"


@dataclass(eq=False)
class Overloaded(Unavailable):
    """The queue of a version is full, or the server is going down.

    Args:
        what: What is full or closing.
        retry_after_s: Seconds after which another try makes sense.
    """

    what: str
    retry_after_s: float = 1.0
    code = "overloaded"
    title = "Overloaded"

    @property
    def message(self) -> str:
        """Say when to come back."""
        return f"{self.what}; try again in {self.retry_after_s:g} s"


@dataclass(eq=False)
class StorageFailed(Unavailable):
    """Something could not be read from or written to the disk, so nothing was promised.

    Args:
        what: The file or database.
        problem: What the system says, for example ``"database or disk is full"``.
        retry_after_s: Seconds after which another try makes sense.
    """

    what: str
    problem: str
    retry_after_s: float = 5.0
    code = "storage-failed"
    title = "The storage failed"

    @property
    def message(self) -> str:
        """Name the place and the fault."""
        return f"{self.what}: {self.problem}; free space or mend it, then try again"


@dataclass(eq=False)
class DeadlineExceeded(PumiceError):
    """The request's deadline, or the model's time limit, passed.

    Args:
        limit: What ran out, with its length, for example ``"the request's deadline"``.
    """

    limit: str
    code = "deadline-exceeded"
    title = "Deadline exceeded"

    @property
    def message(self) -> str:
        """Name the limit."""
        return f"{self.limit} passed before the answer was there"


class Cancelled(PumiceError):
    """The caller went away."""

    code = "cancelled"
    title = "Cancelled by the caller"


class ModelError(PumiceError):
    """The model failed; the request may be fine."""

    code = "model-error"
    title = "The model failed"


@dataclass(eq=False)
class ModelFailed(ModelError):
    """The model raised, or its replica died with it.

    Args:
        model: Name of the model.
        problem: One line of what happened; the log has the rest.
    """

    model: str
    problem: str
    code = "model-failed"
    title = "The model failed"

    @property
    def message(self) -> str:
        """Give the one line."""
        return f"model '{self.model}' failed: {self.problem}"


@dataclass(eq=False)
class BadOutput(ModelError):
    """The model answered what its signature does not allow.

    Args:
        model: Name of the model.
        what: The output.
        given: What the model gave.
        allowed: What the signature says.
    """

    model: str
    what: str
    given: str
    allowed: str
    code = "bad-output"
    title = "The model answered what its signature does not allow"

    @property
    def message(self) -> str:
        """Hold the given against the allowed."""
        return f"{self.what} of model '{self.model}': the model gave {self.given}; its signature says {self.allowed}"


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
