"""What is looked for in the data, and what was found before labels are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pumice.domain.model import Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.optimize.data.labels import classes_of
from pumice.optimize.data.problems import Problems

LABEL = "label"
"""Column of the true answers."""

SLICE = "slice"
"""Column of the parts of the data."""


@dataclass(frozen=True)
class Wanted:
    """What a model takes.

    Attributes:
        signature: Its served signature (of the task).
        manifest: Its manifest.
        problems: Where faults are noted.
    """

    signature: Signature
    manifest: Manifest
    problems: Problems

    @property
    def inputs(self) -> list[Tensor]:
        """The inputs, each a column."""
        return self.signature.inputs

    @property
    def classes(self) -> list[str]:
        """Names of the classes; empty if there are none."""
        return classes_of(self.manifest, self.signature)

    def beside(self, columns: Sequence[str]) -> tuple[bool, bool]:
        """Whether there are labels, and slices; a column of an input's name is that input."""
        own = {tensor.name for tensor in self.inputs}
        return LABEL in columns and LABEL not in own, SLICE in columns and SLICE not in own

    def __str__(self) -> str:
        columns = ", ".join(f"'{tensor.name}' {tensor}" for tensor in self.inputs)
        return f"the inputs {columns} (the first -1 is the rows), optional '{LABEL}' and '{SLICE}'"


@dataclass
class Raw:
    """What was read.

    Attributes:
        inputs: Tensors of the inputs, [n, ...] each; of those that fit, where others do not.
        labels: The column ``label`` as it stands there; None if there is none.
        slices: The column ``slice`` likewise.
        places: Where each example stands.
    """

    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    labels: list[Any] | None = None
    slices: list[Any] | None = None
    places: list[str] = field(default_factory=list)
