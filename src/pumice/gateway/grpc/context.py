"""What the methods work with, put together by the composition root."""

from __future__ import annotations

from dataclasses import dataclass, field

from pumice.service.access.access import Access
from pumice.service.inference import Inference
from pumice.service.models import Models
from pumice.service.shared_memory import Regions


@dataclass(frozen=True, slots=True)
class GrpcContext:
    """What the methods work with.

    Attributes:
        inference: The operation, and the catalogue of what is served.
        models: What may be served, and changes of it.
        access: Who may come in, and what is written down of those who manage.
        regions: Shared memory of callers; None: the operator has not allowed any.
    """

    inference: Inference
    models: Models
    access: Access = field(default_factory=Access)
    regions: Regions | None = None
