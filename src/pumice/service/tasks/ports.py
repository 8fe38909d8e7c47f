"""What tasks need of the rest of the service; `pumice.service.inference.Inference` is it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pumice.domain.request import InferRequest, InferResult


class Finder(Protocol):
    """Tells what is served."""

    def find(self, model: str, version: str = "") -> object:
        """Find a version, the newest if none is named.

        Raises:
            ModelNotFound: There is no such model.
        """


class Runner(Protocol):
    """Checks and runs requests."""

    @property
    def catalog(self) -> Finder:
        """What is served."""

    def check(self, model: str, version: str, request: InferRequest) -> object:
        """Refuse a request that is known to be bad, clean it, and set its rows.

        Raises:
            ModelNotReady: Nothing is known of the model yet.
            PumiceError: The request is bad.
        """

    async def divisible(self, model: str, version: str, deadline: float | None = None) -> bool:
        """Whether a request's rows may be run apart and their answers joined; a model that sleeps is woken for it.

        Until the caller next waits for something, the model can be asked.

        Raises:
            ModelNotReady: Nothing is known of the model yet.
            ModelNotFound: There is no such model.
        """

    def count_task(self, model: str, version: str, state: str) -> None:
        """Count a task that came to a state (`pumice.observe.catalogue.TASK_STATES`)."""

    def show_pending_tasks(self, pending: Mapping[tuple[str, str], int]) -> None:
        """Show how many tasks are not finished, by model and version; of all others there are none."""

    def count_webhook(self, model: str, version: str, result: str) -> None:
        """Count a try to tell of a task's end (`pumice.observe.catalogue.WEBHOOK_RESULTS`)."""

    async def infer(self, model: str, version: str, request: InferRequest) -> InferResult:
        """Check and run a request.

        Raises:
            Unavailable: Another try may succeed.
            PumiceError: It failed.
        """
