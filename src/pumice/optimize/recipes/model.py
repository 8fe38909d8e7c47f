"""A recipe: passes in turn, with all their options."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pumice.optimize.passes.base import Pass
from pumice.optimize.passes.registry import pass_class
from pumice.optimize.sensitivity.search import LeaveOut


class Step(msgspec.Struct, frozen=True):
    """One pass of a recipe.

    Attributes:
        name: Name of the pass.
        options: Those of its options that are not left to their defaults.
        leave_out: Sensitive nodes are searched for and left out; None: they are not.
    """

    name: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    leave_out: LeaveOut | None = None

    def made(self) -> Pass[Any]:
        """The pass itself.

        Raises:
            BadSetting: There is no such pass, or an option is wrong.
        """
        return pass_class(self.name).of(self.options)


class Recipe(msgspec.Struct, frozen=True):
    """How one candidate is made.

    Attributes:
        name: Name of the candidate; stable, and unlike that of every other one.
        about: What it is good for, in a line.
        steps: The passes, in their order.
    """

    name: str
    about: str
    steps: tuple[Step, ...]

    @property
    def needs_calibration(self) -> bool:
        """Whether it cannot be built without calibration inputs."""
        return any(pass_class(step.name).needs_calibration for step in self.steps)

    @property
    def needs_search(self) -> bool:
        """Whether it cannot be built without inputs for the search of sensitive nodes."""
        return any(step.leave_out is not None for step in self.steps)

    @property
    def deterministic(self) -> bool:
        """Whether it gives equal bytes for equal input; a search is cut by time, so it does not promise that."""
        return not self.needs_search and all(pass_class(step.name).deterministic for step in self.steps)

    @property
    def told(self) -> dict[str, Any]:
        """The recipe with every option written out, as reports and lineage show it."""
        steps = [
            {step.name: msgspec.to_builtins(step.made().options)}
            | ({} if step.leave_out is None else {"leave_out": msgspec.to_builtins(step.leave_out)})
            for step in self.steps
        ]
        return {"name": self.name, "about": self.about, "passes": steps}

    @property
    def digest(self) -> str:
        """SHA-256 in hex over what is done: passes and every option, not the name."""
        return hashlib.sha256(msgspec.json.encode(self.told["passes"], order="sorted")).hexdigest()
