"""The base class of Python models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pumice.domain.signature import Signature

Inputs = Mapping[str, np.ndarray]
"""Read-only arrays by name, as the signature says; ``BYTES`` are object arrays of ``bytes``."""

Outputs = dict[str, np.ndarray]
"""Arrays by name, as the signature says; ``BYTES`` may hold ``bytes`` or ``str`` (sent as UTF-8)."""


class Model:
    """A model written in Python, served as ``pumice serve name=module:Class``.

    One object lives in each replica and is called from one thread. A first axis of -1 in every tensor of the
    signature means that rows of several callers may come in one call.

    Example:
        ::

            class Doubler(Model):
                signature = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("y", "FP32", [-1, 4])])

                def predict(self, inputs):
                    return {"y": inputs["x"] * 2}

    Attributes:
        signature: What the model takes and gives; may be set as late as in `load`.
        deterministic: Equal inputs give equal answers; only then may a cache answer.
        idempotent: Running twice does no harm; only then is a lost batch run again.
        batchable: Whether rows of several callers may be joined; None: if every first axis of the signature is -1.
        max_batch_size: Most rows of one call, or None for the server's setting.
        concurrency: Of a model that answers in parts: how many answers are computed at once, each in a thread of its
            own; None: one, or 16 where ``predict`` is asynchronous.
        predict: Runs the model once: ``predict(inputs)``, or ``predict(inputs, parameters)`` for a model that reads
            the requests' parameters (the same for all rows). Returns all outputs of the signature; rows stand in the
            order of the inputs' rows. Inputs are read-only and valid during the call only. A generator, plain or
            asynchronous, answers in parts: each ``yield`` gives all outputs, and goes to the caller at once.

    A method ``explain(inputs)`` answers KServe's ``:explain``: a dict of arrays by any names, a row for each row.
    """

    signature: Signature
    deterministic: ClassVar[bool] = True
    idempotent: ClassVar[bool] = True
    batchable: ClassVar[bool | None] = None
    max_batch_size: ClassVar[int | None] = None
    concurrency: ClassVar[int | None] = None
    predict: Callable[..., Any]

    def load(self, path: Path | None) -> None:
        """Load the model, once, before the first call.

        Args:
            path: The model's artefacts, or None if it was named without any.
        """

    def warmup(self) -> dict[str, np.ndarray] | None:
        """Inputs of a typical request, or None if zeros in the signature's shape will do."""
        return None

    def close(self) -> None:
        """Free what the model holds."""
