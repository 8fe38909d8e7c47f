"""Errors of the model store: what is not there, what is refused, what is sealed, and bytes that have changed."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.domain.errors.availability import Unavailable
from pumice.domain.errors.base import PumiceError
from pumice.domain.errors.request import NotFound, Unfit
from pumice.domain.errors.setup import SetupError

_MOST_NAMES = 20
"""A message that lists what there is names so many at most."""


@dataclass(eq=False)
class VersionNotFound(NotFound):
    """The store has no such model, version or alias.

    Args:
        ref: What was asked for, for example ``sentiment@prod``.
        known: What there is instead: names of models, or versions and aliases of this one.
    """

    ref: str
    known: tuple[str, ...] = ()
    code = "version-not-found"
    title = "No such version in the store"

    @property
    def message(self) -> str:
        """List what is in the store instead."""
        more = f" and {len(self.known) - _MOST_NAMES} more" if len(self.known) > _MOST_NAMES else ""
        return f"'{self.ref}' is not in the store; it has: {', '.join(self.known[:_MOST_NAMES]) or 'nothing'}{more}"


@dataclass(eq=False)
class RequestNotFound(NotFound):
    """It was not written down which version answered a request.

    Args:
        request_id: The id that was asked for.
    """

    request_id: str
    code = "request-not-found"
    title = "Nothing is known of this request"

    @property
    def message(self) -> str:
        """Name the id, and what has to be set."""
        return (
            f"request '{self.request_id}' is not in the log of answers: it has those of servers with "
            "'request_log: ids', the newest 'request_log_size' of them"
        )


@dataclass(eq=False)
class UploadNotFound(NotFound):
    """A push over HTTP that the server knows nothing of, or no longer.

    Args:
        upload: Its name.
    """

    upload: str
    code = "upload-not-found"
    title = "No such push is under way"

    @property
    def message(self) -> str:
        """Say what may have become of it."""
        return (
            f"the server has no push '{self.upload}': it is done, was given up, or was cut off too long ago; push again"
        )


@dataclass(eq=False)
class PushRefused(Unfit):
    """What a caller pushes cannot be stored.

    Args:
        model: Name of the model.
        problem: What is wrong with it, and what to do.
    """

    model: str
    problem: str
    code = "push-refused"
    title = "This cannot be stored"

    @property
    def message(self) -> str:
        """Name the model and the fault."""
        return f"'{self.model}' is not stored: {self.problem}"


@dataclass(eq=False)
class VersionInUse(PumiceError):
    """A change that would take away what something else needs.

    Args:
        ref: The version, for example ``sentiment@3``.
        reason: Who needs it.
        mend: What to do first.
    """

    ref: str
    reason: str
    mend: str
    code = "version-in-use"
    title = "The version is in use"

    @property
    def message(self) -> str:
        """Name who needs it and the way out."""
        return f"'{self.ref}' stays: {self.reason}; {self.mend}"


@dataclass(eq=False)
class ExchangeFailed(PumiceError):
    """Another registry cannot be reached, or said no.

    Args:
        place: Its address, without what is secret.
        problem: What it said, or what the transport says.
        mend: What to do.
    """

    place: str
    problem: str
    mend: str
    code = "exchange-failed"
    title = "Another registry failed"

    @property
    def message(self) -> str:
        """Name the place, the fault and the mend."""
        return f"{self.place}: {self.problem}; {self.mend}"


@dataclass(eq=False)
class Tampered(PumiceError):
    """Stored bytes are not those that were stored.

    Args:
        what: The file, chunk or version.
        problem: How it differs.
        mend: What to do.
    """

    what: str
    problem: str
    mend: str = "restore the file from a copy"
    code = "tampered"
    title = "Stored bytes have changed"

    @property
    def message(self) -> str:
        """Name the place, the difference and the way out."""
        return f"{self.what}: {self.problem}; {self.mend}"


@dataclass(eq=False)
class Untrusted(PumiceError):
    """No trusted key signed it, and the policy asks for one.

    Args:
        what: The version, folder or statement.
        problem: What is missing or wrong.
        mend: What to do if it is right.
        revoked: Whether a key signed it that was revoked.
    """

    what: str
    problem: str
    mend: str
    revoked: bool = False
    code = "untrusted"
    title = "No trusted signature"

    @property
    def message(self) -> str:
        """Name it, the reason and the way out."""
        return f"{self.what}: {self.problem}; {self.mend}"


@dataclass(eq=False)
class StillSealed(PumiceError):
    """Something would have to be told or written in the clear, and nobody asked for that.

    Args:
        ref: The sealed version.
        mend: How to ask for it.
    """

    ref: str
    mend: str
    code = "still-sealed"
    title = "The version is sealed"

    @property
    def message(self) -> str:
        """Name the version and the way to ask."""
        return f"'{self.ref}' is sealed; {self.mend}"


@dataclass(eq=False)
class WrongSealKey(SetupError):
    """A sealed version needs another key than those that are given.

    Args:
        ref: The sealed version.
        needed: Id of the key that wraps its data key.
        given: Ids of the keys of the setting ``seal_key``.
    """

    ref: str
    needed: str
    given: tuple[str, ...]
    code = "wrong-seal-key"
    title = "Not the key of this version"

    @property
    def message(self) -> str:
        """Name the keys by their ids, which tell nothing of them."""
        given = ", ".join(f"'{key}'" for key in self.given) or "none"
        return f"'{self.ref}' is sealed with key '{self.needed}'; 'seal_key' gives {given}: set it to that key"


@dataclass(eq=False)
class KeyServiceFailed(Unavailable):
    """A keyring or a key management service did not do what it was asked to.

    Args:
        service: Which one.
        problem: What it said.
        retry_after_s: Seconds after which another try makes sense.
    """

    service: str
    problem: str
    retry_after_s: float = 5.0
    code = "key-service-failed"
    title = "The key service failed"

    @property
    def message(self) -> str:
        """Name the service and what it said."""
        return f"{self.service}: {self.problem}; see that it can be reached and that its key may be used"
