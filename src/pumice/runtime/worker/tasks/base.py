"""What a replica calls: a pipeline around an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.model import Manifest, Parameter
from pumice.domain.signature import Signature
from pumice.engines.base import Engine


class Pipeline(Protocol):
    """Answers batches in the terms of the task.

    Attributes:
        signature: What callers send and get; not what the model's file takes.
        batchable: Whether rows of several callers may come in one call.
    """

    signature: Signature
    batchable: bool

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Answer one batch.

        Args:
            inputs: Arrays that fit `signature`, read-only, valid during the call only.
            parameters: The requests' own parameters, the same for all rows.

        Returns:
            All outputs of `signature`, rows in the order of the inputs' rows.

        Raises:
            PumiceError: A row cannot be answered; the message names it.
            Exception: Whatever the model raises.
        """

    def warm_inputs(self) -> dict[str, np.ndarray]:
        """One typical row (a whole request, if the model is not batchable)."""


def rows_can_be_joined(engine: Engine, manifest: Manifest) -> bool:
    """Whether a model takes the rows of several callers at once: what the manifest says, or the engine, or the shapes.

    Raises:
        BadSetting: The manifest says yes, and the signature no.
    """
    signature = engine.signature
    if manifest.batchable and not signature.batchable:
        fixed = [f"'{t.name}' {t.shape}" for t in [*signature.inputs, *signature.outputs] if t.shape[:1] != [-1]]
        allowed = f"true only where every first axis is free (-1); these are not: {', '.join(fixed)}"
        raise BadSetting("manifest 'batchable'", "true", allowed)
    told = next((told for told in (manifest.batchable, engine.traits.batchable) if told is not None), True)
    return told and signature.batchable
