"""What the routes work with, put together by the composition root."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from pumice.__about__ import __version__
from pumice.domain.model import Profile
from pumice.gateway.http.budget import Budget
from pumice.gateway.http.cors import Cors
from pumice.observe.observed import Observed
from pumice.service.access.access import Access
from pumice.service.inference import Inference
from pumice.service.models import Models
from pumice.service.shared_memory import Regions
from pumice.service.store.opened import OpenStore
from pumice.service.store.upload_limits import UploadLimits
from pumice.service.tasks import Tasks


class Served(Observed, Protocol):
    """What these routes see of a served version."""

    @property
    def profile(self) -> Profile | None:
        """What a replica said of it; None until one has loaded."""

    @property
    def ready(self) -> bool:
        """Whether it can answer now."""

    @property
    def dormant(self) -> bool:
        """Whether it is not in memory, and its next request loads it."""

    @property
    def reason(self) -> str:
        """Why it cannot, or an empty string."""


@dataclass(frozen=True, slots=True)
class HttpContext:
    """What the routes work with.

    Attributes:
        inference: The operation, and the catalogue of what is served.
        tasks: The asynchronous form of it.
        models: What may be served, and changes of it.
        store: The model store.
        max_body_bytes: Largest body of a request, before and after decompression (bytes).
        max_json_bytes: Largest JSON in a body (bytes).
        budget: What the bodies of all requests may take together.
        cors: Other origins whose pages may call; None: none.
        access: Who may come in, and what is written down of those who manage.
        uploads: What callers may push into the store.
        regions: Shared memory of callers; None: the operator has not allowed any.
        started: When the server started (Unix time, s).
        server: Name of the server.
        version: Its version.
    """

    inference: Inference
    tasks: Tasks
    models: Models
    store: OpenStore
    max_body_bytes: int
    max_json_bytes: int = 16 * 1024 * 1024
    budget: Budget = field(default_factory=lambda: Budget(1 << 30))
    cors: Cors | None = None
    access: Access = field(default_factory=Access)
    uploads: UploadLimits = field(default_factory=UploadLimits)
    regions: Regions | None = None
    started: float = field(default_factory=time.time)
    server: str = "pumice"
    version: str = __version__

    @property
    def most_of_json(self) -> int:
        """Largest body that is JSON and nothing else (bytes)."""
        return min(self.max_json_bytes, self.max_body_bytes)
