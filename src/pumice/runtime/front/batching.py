"""Join requests into a batch, and cut its answer apart."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from pumice.domain.datatypes import FLOATS
from pumice.domain.errors import BadOutput, ModelFailed
from pumice.domain.model import Profile
from pumice.domain.request import InferRequest, InferResult
from pumice.domain.signature import SignatureCheck
from pumice.protocol.frames import pack
from pumice.runtime.front.link import Batch
from pumice.runtime.front.ticket import Ticket

_JOINED_LOOK_BYTES = 64 * 1024


class Batcher:
    """Joins and cuts requests of one version.

    Args:
        model: Name of the model.
        version: Its version, put into the answers.
        profile: What the replica said of it.

    Attributes:
        model: Name of the model.
        batchable: Whether requests can be joined.
        check: Holds requests against the signature.
    """

    def __init__(self, model: str, version: str, profile: Profile) -> None:
        self.model = model
        self.batchable = profile.batchable
        self._version = version
        self.check = SignatureCheck(model, profile.signature, batchable=profile.batchable)
        tensors = profile.signature.inputs
        self._floats = [] if profile.allow_nonfinite else [t.name for t in tensors if t.datatype in FLOATS]
        # one shape for every request: the usual case, in which no key has to be made
        self._same_shape = all(-1 not in t.shape[1:] and not t.optional for t in tensors)

    def key(self, request: InferRequest) -> Hashable:
        """What requests must have in common to share a batch; None of a model whose batches are one request."""
        if not self.batchable or (self._same_shape and not request.parameters):
            return None
        shapes = tuple((name, array.shape[1:]) for name, array in sorted(request.inputs.items()))
        # the type belongs to it: 1, 1.0 and True are equal to Python but not to a model
        parameters = tuple((key, type(value), value) for key, value in sorted(request.parameters.items()))
        return shapes, parameters

    def join(self, tickets: Sequence[Ticket]) -> Batch | None:
        """Make a batch; requests with NaN or infinity are answered with an error and left out.

        Returns:
            The batch, or None if no request is left.
        """
        sound = list(tickets)
        if not all(self._finite(name, sound) for name in self._floats):
            sound = [ticket for ticket in tickets if self._sound(ticket)]
        if not sound:
            return None
        first = sound[0].request
        rows = first.rows if len(sound) == 1 else sum(ticket.request.rows for ticket in sound)
        packed = pack([ticket.request.inputs for ticket in sound], rows)
        traces = [ticket.request.traceparent for ticket in sound if ticket.request.traceparent]
        return Batch(sound, packed, rows, first.parameters, traces=traces)

    def cut(self, batch: Batch, outputs: dict[str, np.ndarray]) -> list[InferResult]:
        """Give every request of a batch its rows.

        Raises:
            BadOutput: An output does not have a row for every row that went in.
        """
        model, version = self.model, self._version
        if len(batch.tickets) == 1:
            return [InferResult(outputs, model, version)]
        for name, array in outputs.items():
            if len(array) != batch.rows:
                raise BadOutput(
                    model, f"output '{name}'", f"{len(array)} rows", f"{batch.rows} rows, one for each row in"
                )
        results: list[InferResult] = []
        start = 0
        items = list(outputs.items())
        for ticket in batch.tickets:
            end = start + ticket.request.rows
            results.append(InferResult({name: array[start:end] for name, array in items}, model, version))
            start = end
        return results

    def failure(self, problem: str) -> ModelFailed:
        """Build the error of a model that failed."""
        return ModelFailed(self.model, problem)

    def _finite(self, name: str, tickets: Sequence[Ticket]) -> bool:
        arrays = [array for ticket in tickets if (array := ticket.request.inputs.get(name)) is not None]
        if len(arrays) > 1 and arrays[0].nbytes * len(arrays) <= _JOINED_LOOK_BYTES:
            # one look at all of them costs less than a look at each
            return is_finite(np.concatenate(arrays, axis=None))
        return all(is_finite(array) for array in arrays)

    def _sound(self, ticket: Ticket) -> bool:
        for name in self._floats:
            array = ticket.request.inputs.get(name)
            if array is not None and not is_finite(array):
                ticket.fail(self.check.nonfinite(name))
                return False
        return True


def is_finite(array: np.ndarray) -> bool:
    """Whether an array of floats holds neither NaN nor infinity."""
    return bool(np.isfinite(array).all())


def split_rows(request: InferRequest, most: int) -> Iterable[InferRequest]:
    """Cut a request that is larger than a batch may be into requests that fit."""
    for start in range(0, request.rows, most):
        end = min(start + most, request.rows)
        yield InferRequest(
            inputs={name: array[start:end] for name, array in request.inputs.items()},
            parameters=request.parameters,
            deadline=request.deadline,
            priority=request.priority,
            request_id=request.request_id,
            traceparent=request.traceparent,
            rows=end - start,
            caller=request.caller,
        )
