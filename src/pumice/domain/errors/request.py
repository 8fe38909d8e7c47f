"""Errors that the caller can mend: what was asked cannot be read, does not fit, or is not there."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.domain.errors.base import PumiceError

_MOST_NAMES = 20
"""A message that lists what there is names so many at most."""


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


@dataclass(eq=False)
class LoadFailed(Unfit):
    """A model could not be loaded as asked; what was served before still is.

    Args:
        model: Name of the model.
        problem: Why.
    """

    model: str
    problem: str
    code = "load-failed"
    title = "The model could not be loaded"

    @property
    def message(self) -> str:
        """Say what is served now."""
        return f"load failed for model '{self.model}': {self.problem}; what was served before is unchanged"


@dataclass(eq=False)
class LoadRefused(Unfit):
    """A caller asked for a source that the operator has not allowed.

    Args:
        model: Name of the model.
        problem: What is not allowed.
        mend: What to do.
    """

    model: str
    problem: str
    mend: str
    code = "load-refused"
    title = "The model may not be loaded from there"

    @property
    def message(self) -> str:
        """Name the mend."""
        return f"loading model '{self.model}' is refused: {self.problem}; {self.mend}"


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
        more = f" and {len(self.known) - _MOST_NAMES} more" if len(self.known) > _MOST_NAMES else ""
        return f"{wanted} is not served; served: {', '.join(self.known[:_MOST_NAMES]) or 'nothing'}{more}"


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
class RegionNotFound(NotFound):
    """No region of shared memory of this name is registered, or another caller has registered it.

    Args:
        region: The name that was asked for.
    """

    region: str
    code = "region-not-found"
    title = "No such region of shared memory"

    @property
    def message(self) -> str:
        """Name the region."""
        return f"region '{self.region[:80]}' of shared memory is not registered; register it first"


@dataclass(eq=False)
class KeyNotFound(NotFound):
    """No key has this id, or it has ended and cannot be replaced.

    Args:
        key_id: The id that was asked for.
    """

    key_id: str
    code = "key-not-found"
    title = "No such key"

    @property
    def message(self) -> str:
        """Name the id."""
        return f"key '{self.key_id}' is not known, or it has ended; `pumice keys list` shows all"


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
