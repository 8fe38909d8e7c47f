"""Errors of the model, not of the caller."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.domain.errors.base import PumiceError


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
