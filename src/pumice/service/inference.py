"""The one operation under every inference protocol: check, clean, queue, answer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import DeadlineExceeded, ModelNotFound, ModelNotReady, PumiceError
from pumice.domain.model import TEXT_TASKS, Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.text import clean_texts
from pumice.observe.observed import Observation, Observed
from pumice.runtime.front.streams import StreamTicket
from pumice.runtime.front.ticket import Ticket
from pumice.runtime.front.version import ServedVersion
from pumice.service.catalog import Catalog
from pumice.service.models import Dormant

Done = Callable[[InferResult | None, PumiceError | None], None]
"""Called once with the answer or the error."""


class Observing(Protocol):
    """Tells what all processes of the server counted."""

    async def observe(self) -> Observation:
        """Ask them all.

        Raises:
            ModelNotReady: They do not answer now.
        """


class Inference:
    """Runs requests on served versions.

    Args:
        catalog: The versions.
        observing: Tells what all processes of the server counted; None if this is the only one.

    Attributes:
        catalog: The versions.
        observing: See above.
    """

    def __init__(self, catalog: Catalog, observing: Observing | None = None) -> None:
        self.catalog = catalog
        self.observing = observing

    async def observed(self, model: str = "", version: str = "") -> list[Observed]:
        """What was counted of one version, of all versions of a model, or of all models, by the whole server.

        Raises:
            ModelNotFound: There is no such model, or no such version of it.
            ModelNotReady: The server's other processes do not answer now.
        """
        here = self.catalog.some(model, version)
        if self.observing is None:
            return list(here)
        there = {(seen.name, seen.version): seen for seen in (await self.observing.observe()).versions}
        return [there.get((served.name, served.version), served) for served in here]

    def count_task(self, model: str, version: str, state: str) -> None:
        """Count a task that came to a state; of a model that is served no more, nobody asks."""
        with contextlib.suppress(ModelNotFound):
            self.catalog.find(model, version).stats.tasks[state] += 1

    def show_pending_tasks(self, pending: Mapping[tuple[str, str], int]) -> None:
        """Show how many tasks of each model and version are not finished, here or at another server."""
        for served in self.catalog.all():
            served.stats.pending_tasks = 0
        for key, count in pending.items():
            with contextlib.suppress(ModelNotFound):
                self.catalog.find(*key).stats.pending_tasks += count

    def count_webhook(self, model: str, version: str, result: str) -> None:
        """Count a try to tell of a task's end, likewise."""
        with contextlib.suppress(ModelNotFound):
            self.catalog.find(model, version).stats.webhooks[result] += 1

    async def infer(self, model: str, version: str, request: InferRequest) -> InferResult:
        """Run a request; cancelling the caller drops it.

        Args:
            model: Name of the model.
            version: Its version, or an empty string for the newest.
            request: What is asked.

        Raises:
            PumiceError: It is refused, or it failed.
        """
        return await self.run(await self.awake(model, version, request.deadline), request)

    async def awake(self, model: str, version: str, deadline: float | None = None) -> ServedVersion:
        """Find a version; if it is not in memory, wait until it is.

        It can be counted on until the caller next waits for something: what is served may change meanwhile.

        Args:
            model: Name of the model.
            version: Its version, or an empty string for the newest.
            deadline: Moment on the monotonic clock after which the caller does not wait (s).

        Raises:
            PumiceError: There is no such model, or it cannot be loaded.
        """
        served = self.catalog.find(model, version)
        return await served.awake(deadline) if isinstance(served, Dormant) else served

    async def run(self, served: ServedVersion, request: InferRequest) -> InferResult:
        """Run a request on a version that was just found; cancelling the caller drops it.

        Raises:
            PumiceError: It is refused, or it failed.
        """
        self.prepare(served, request)
        return await served.infer(request)

    def stream(self, served: ServedVersion, request: InferRequest) -> AsyncGenerator[InferResult, None]:
        """Run a request and give its answer part by part; close the iterator when no more parts are wanted.

        Args:
            served: The version.
            request: What is asked.

        Raises:
            PumiceError: It is refused; while the parts are read: the answer ends here, since something went wrong.
        """
        self.prepare(served, request)
        return served.stream(request)

    def check(self, model: str, version: str, request: InferRequest) -> ServedVersion:
        """Find a request's version and prepare the request for it, without running it.

        Raises:
            PumiceError: As `prepare`, or there is no such model.
        """
        served = self.catalog.find(model, version)
        self.prepare(served, request)
        return served

    async def divisible(self, model: str, version: str, deadline: float | None = None) -> bool:
        """Whether a request's rows may be run apart and their answers joined; a model that sleeps is woken for it.

        Args:
            model: Name of the model.
            version: Its version, or an empty string for the newest.
            deadline: Moment on the monotonic clock after which the caller does not wait (s).

        Raises:
            ModelNotReady: Nothing is known of the model yet, or it cannot be loaded.
            ModelNotFound: There is no such model.
            DeadlineExceeded: The deadline passed.
            Overloaded: Too many wait for it already.
        """
        served = await self.awake(model, version, deadline)
        if served.profile is None:
            raise ModelNotReady(model, served.reason)
        return served.profile.batchable

    def submit(self, served: ServedVersion, request: InferRequest, done: Done) -> Ticket | StreamTicket:
        """Run a request, with a callback: the form for hot paths.

        Raises:
            PumiceError: It is refused; ``done`` is then not called.
        """
        self.prepare(served, request)
        return served.submit(request, done)

    def prepare(self, served: ServedVersion, request: InferRequest) -> None:
        """Check a request against its version and clean its text by the version's policy.

        Raises:
            PumiceError: It does not fit, is refused, or came too late.
        """
        if request.deadline is not None and request.deadline <= time.monotonic():
            served.stats.shed["deadline"] += 1
            raise DeadlineExceeded("the request's deadline")
        profile = served.check(request)
        if profile.task in TEXT_TASKS:
            _clean(profile, request)


def _clean(profile: Profile, request: InferRequest) -> None:
    for tensor in profile.signature.inputs:
        texts = request.inputs.get(tensor.name)
        if texts is not None and tensor.datatype == BYTES:
            what = f"input '{tensor.name}'"
            request.inputs[tensor.name] = clean_texts(texts, profile.clean, profile.max_text_chars, what)
