"""One inference: what is asked and what is answered, whatever protocol carries it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pumice.domain.model import Parameter

DEFAULT_PRIORITY = 8
"""Priority of a request that names none; 1 is the most urgent, 16 the least."""

LOWEST_PRIORITY = 16

EXPLAIN = "pumice.explain"
"""Parameter of a request for an explanation instead of an answer; set by the face, never by a caller."""


@dataclass(slots=True)
class InferRequest:
    """What a caller asks of one version of a model.

    Attributes:
        inputs: Tensors by name, row-major; not to be changed by anyone.
        parameters: The model's own parameters; requests that differ in them never share a batch.
        deadline: Moment on the monotonic clock after which nobody waits (s), or None.
        priority: 1 (most urgent) to 16.
        request_id: The caller's id, or one that the gateway made.
        traceparent: W3C trace context that came with the request, or an empty string.
        rows: Size of the batch axis; set by the check against the signature.
        caller: Who asks, for fairness between callers: an address, or the name that it has proven; empty: unknown.
    """

    inputs: dict[str, np.ndarray]
    parameters: dict[str, Parameter] = field(default_factory=dict)
    deadline: float | None = None
    priority: int = DEFAULT_PRIORITY
    request_id: str = ""
    traceparent: str = ""
    rows: int = 1
    caller: str = ""


@dataclass(slots=True)
class InferResult:
    """What a version answered.

    Attributes:
        outputs: Tensors by name.
        model: Name of the model.
        version: The version that answered.
        cached: Whether the answer came from the cache.
    """

    outputs: dict[str, np.ndarray]
    model: str
    version: str
    cached: bool = False
