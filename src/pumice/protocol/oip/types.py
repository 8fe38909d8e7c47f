"""What an inference request of the Open Inference Protocol says beyond the tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pumice.domain.errors import MalformedInput, SignatureMismatch, Unsupported
from pumice.domain.model import Parameter
from pumice.domain.request import DEFAULT_PRIORITY, EXPLAIN, LOWEST_PRIORITY, InferRequest
from pumice.domain.signature import Signature
from pumice.protocol.oip.shared import OFFSET, REGION, SIZE, Memory, Place, Target, allowed, check_apart, place_of

_RESERVED = frozenset({"priority", "timeout", "headers", "binary_data_output", "binary_data_size", "binary_data"})
_BEYOND_INT64, _BEYOND_UINT64 = 1 << 63, 1 << 64
_SEQUENCE = ("sequence_id", "sequence_start", "sequence_end")


@dataclass(slots=True)
class WireRequest:
    """A decoded request and how its answer is wanted.

    Attributes:
        request: The inference.
        id: The caller's id, echoed in the answer.
        outputs: Names of the wanted outputs in their order; empty: all.
        binary: Outputs that are wanted as bytes.
        binary_default: Whether the other outputs are wanted as bytes.
        shared: Where outputs are to be put instead of into the answer, by name; None: nowhere.
        targets: What takes these outputs, once `bind_outputs` has looked.
        timeout_s: How long the caller waits (s); 0: it did not say.
    """

    request: InferRequest
    id: str = ""
    outputs: tuple[str, ...] = ()
    binary: frozenset[str] = frozenset()
    binary_default: bool = False
    shared: dict[str, Place] | None = None
    targets: dict[str, Target] | None = None
    timeout_s: float = 0.0

    def start(self, now: float) -> None:
        """Turn the timeout into a deadline.

        Args:
            now: The monotonic clock (s).
        """
        if self.timeout_s:
            self.request.deadline = now + self.timeout_s


def apply_parameters(wire: WireRequest, parameters: dict[str, Any]) -> None:
    """Sort the parameters of a request into the protocol's own and the model's.

    Args:
        wire: The request that they belong to; its timeout, priority and parameters are set.
        parameters: As they came.

    Raises:
        MalformedInput: A parameter has a type or value that is not allowed.
        Unsupported: The request belongs to a sequence.
    """
    request = wire.request
    own: dict[str, Parameter] = {}
    for key, value in parameters.items():
        if key == EXPLAIN:
            raise MalformedInput(f"parameter '{key}'", "reserved; call ':explain' of KServe v1")
        if key not in _RESERVED and not key.startswith("triton_"):
            if key in _SEQUENCE:
                _refuse_sequence(key, value)
                continue
            own[key] = parameter_of(key, value)
    request.parameters = own
    wire.binary_default = truth_of("parameter 'binary_data_output'", parameters.get("binary_data_output", False))
    request.priority = priority_of(parameters.get("priority", 0))
    timeout_us = parameters.get("timeout", 0)
    if not isinstance(timeout_us, int) or isinstance(timeout_us, bool) or not 0 <= timeout_us < _BEYOND_UINT64:
        raise MalformedInput("parameter 'timeout'", "expected microseconds, a whole number >= 0")
    wire.timeout_s = timeout_us / 1e6


def parameter_of(key: str, value: object) -> Parameter:
    """Return a parameter of the model if it is of a kind that a model may get.

    Raises:
        MalformedInput: It is no string, number or boolean, or a whole number beyond 64 bits.
    """
    if not isinstance(value, str | int | float | bool):
        raise MalformedInput(f"parameter '{key}'", "expected a string, a number or a boolean")
    if isinstance(value, int) and not -_BEYOND_INT64 <= value < _BEYOND_UINT64:
        raise MalformedInput(f"parameter '{key}'", "a whole number beyond 64 bits")
    return value


def truth_of(what: str, value: object) -> bool:
    """Return a value that must be true or false.

    Raises:
        MalformedInput: It is neither.
    """
    if not isinstance(value, bool):
        raise MalformedInput(what, "expected true or false")
    return value


def check_outputs(wire: WireRequest, model: str, signature: Signature) -> None:
    """Look whether the model has the outputs that a request wants, before it is run for nothing.

    Raises:
        SignatureMismatch: It has not.
    """
    names = [tensor.name for tensor in signature.outputs]
    for name in wire.outputs:
        if name not in names:
            raise SignatureMismatch(model, f"output '{name}'", "an unknown name", f"the names {names}")


def place_outputs(wire: WireRequest, outputs: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Note which outputs go to shared memory.

    Args:
        wire: The request.
        outputs: Names and parameters of the wanted outputs.

    Raises:
        MalformedInput: A place contradicts itself, or lies on another output's.
    """
    places = {name: place for name, given in outputs if given and (place := place_of(f"output '{name}'", given))}
    if places:
        check_apart(places)
        wire.shared = places


def bind_outputs(wire: WireRequest, memory: Memory | None) -> None:
    """Look, before the model is run for nothing, whether outputs can go where they are wanted.

    Args:
        wire: A request of which `shared` is not None.
        memory: The regions of its caller; None: the operator has not allowed any.

    Raises:
        Unsupported: There is no shared memory here.
        PumiceError: As `pumice.protocol.oip.shared.Memory.target`.
    """
    places = (wire.shared or {}).items()
    wire.targets = {name: allowed(memory, place.what).target(place) for name, place in places}


def put_shared(wire: WireRequest, name: str, data: bytes) -> dict[str, int | str]:
    """Put an output into shared memory; return what the answer says of it in its place.

    Args:
        wire: A request that was bound.
        name: The output, one of `WireRequest.targets`.
        data: Its bytes.

    Raises:
        PumiceError: They have no room there, or the memory has gone.
    """
    assert wire.targets is not None  # noqa: S101 - the callers have looked
    assert wire.shared is not None  # noqa: S101 - it was bound
    wire.targets[name].write(data)
    place = wire.shared[name]
    told: dict[str, int | str] = {REGION: place.region, SIZE: len(data)}
    return told | ({OFFSET: place.offset} if place.offset else {})


def priority_of(value: object) -> int:
    """Turn the protocol's priority (0: default, 1: most urgent) into ours.

    Raises:
        MalformedInput: It is no number of that range.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LOWEST_PRIORITY:
        raise MalformedInput("parameter 'priority'", f"expected 0 (default) or 1 (most urgent) to {LOWEST_PRIORITY}")
    return value or DEFAULT_PRIORITY


def _refuse_sequence(key: str, value: object) -> None:
    if value not in (0, "", False):
        raise Unsupported(
            f"parameter '{key}'", "send every request on its own; models here keep no state between requests"
        )
