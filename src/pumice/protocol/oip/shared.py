"""Where tensors lie that do not travel with their message: Triton's shared memory extension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from pumice.domain.errors import MalformedInput, Unsupported

EXTENSION = "system_shared_memory"
"""What a server that speaks the extension says in its metadata."""

REGION = "shared_memory_region"
SIZE = "shared_memory_byte_size"
OFFSET = "shared_memory_offset"


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a region.

    Attributes:
        what: The tensor that lies there, for errors: ``input 'x'``.
        region: Name of the region.
        size: Bytes.
        offset: First byte of it in the region.
    """

    what: str
    region: str
    size: int
    offset: int = 0


class Target(Protocol):
    """Takes an output."""

    def write(self, data: bytes) -> None:
        """Put it into its place.

        Raises:
            PumiceError: It has no room there, or the memory is not there any more.
        """


class Memory(Protocol):
    """The regions that a caller may use."""

    def read(self, place: Place) -> bytes:
        """Copy what lies there.

        Raises:
            PumiceError: There is no such region, or the place lies outside of it.
        """

    def target(self, place: Place) -> Target:
        """Check a place that is to be written to later.

        Raises:
            PumiceError: There is no such region, or the place lies outside of it.
        """


def place_of(what: str, parameters: Mapping[str, Any]) -> Place | None:
    """Read where a tensor lies; None if it is no region.

    Args:
        what: The tensor, for errors.
        parameters: Its parameters.

    Raises:
        MalformedInput: They contradict themselves.
    """
    region = parameters.get(REGION)
    if region is None:
        return None
    if not isinstance(region, str) or not region:
        raise MalformedInput(f"'{REGION}' of {what}", "expected the name of a region")
    return Place(
        what, region, number_of(what, SIZE, parameters.get(SIZE)), number_of(what, OFFSET, parameters.get(OFFSET, 0))
    )


def number_of(what: str, name: str, value: object) -> int:
    """Return a number of bytes.

    Raises:
        MalformedInput: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise MalformedInput(f"'{name}' of {what}", "expected bytes, a whole number >= 0")
    return value


def read_place(place: Place, memory: Memory | None) -> bytes:
    """Copy a tensor out of its region.

    Raises:
        Unsupported: Shared memory is not used here.
        PumiceError: As `Memory.read`.
    """
    return allowed(memory, place.what).read(place)


def allowed(memory: Memory | None, what: str) -> Memory:
    """Return the memory.

    Raises:
        Unsupported: There is none.
    """
    if memory is None:
        mend = "send and take tensors in the message, or call 'infer' and have the operator set 'shared_memory'"
        raise Unsupported(f"shared memory for {what}", mend)
    return memory


def check_apart(places: Mapping[str, Place]) -> None:
    """Refuse outputs that would overwrite each other.

    Raises:
        MalformedInput: Two lie on the same bytes.
    """
    ordered = sorted((place for place in places.values() if place.size), key=lambda place: (place.region, place.offset))
    for first, second in pairwise(ordered):
        if first.region == second.region and second.offset < first.offset + first.size:
            raise MalformedInput(second.what, f"lies on the bytes of {first.what} in region '{first.region}'")


__all__ = [
    "EXTENSION",
    "OFFSET",
    "REGION",
    "SIZE",
    "Memory",
    "Place",
    "Target",
    "allowed",
    "check_apart",
    "place_of",
    "read_place",
]
