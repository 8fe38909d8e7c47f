"""Frames between a front process and a replica: one message per batch, over a Unix socket.

A frame is ``<u32 header length> <u64 payload length> <header> <payload>``, little-endian. The header is msgpack; the
payload holds the tensors' bytes in the order of the header. BYTES tensors travel inside the header, where msgpack
packs a list of byte strings in C. Tensors of `SHARED_MIN_BYTES` or more in all go through the connection's shared
memory instead of the payload; a replica works on one batch of a connection at a time, so both sides always write
from its start.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np

from pumice.domain import errors
from pumice.domain.datatypes import BYTES, DATATYPE_NAMES, NUMPY_TYPES
from pumice.domain.errors import ModelFailed, PumiceError
from pumice.domain.model import Manifest, Parameter, Profile

PREFIX = struct.Struct("<IQ")
"""Lengths of header and payload."""

SHARED_MIN_BYTES = 64 * 1024
"""From this size on, tensors go through shared memory (bytes): below it one more copy costs less than two mappings."""

ALIGNMENT = 64
"""Tensors in shared memory start on a cache line."""

MAX_HEADER_BYTES = 1 << 30


class WorkerSpec(msgspec.Struct, frozen=True):
    """What a replica's process is started with.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        source: What the user named.
        path: The model's file or folder, or an empty string.
        manifest: What is known besides the file.
        threads: Threads of one inference.
        provider: Execution provider.
        device: Number of the device.
        socket: Path of the Unix socket on which the replica listens.
    """

    name: str
    version: str
    source: str
    path: str
    manifest: Manifest
    threads: int
    provider: str
    device: int
    socket: str


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """A replica's word that it listens."""

    profile: Profile


class ErrorRecord(msgspec.Struct, frozen=True, tag=True):
    """An error of `pumice.domain.errors`, by class name and fields."""

    kind: str
    fields: dict[str, Any]


class TensorHead(msgspec.Struct, frozen=True, array_like=True):
    """One tensor of a frame.

    Attributes:
        name: Its name.
        datatype: Its datatype.
        shape: Its shape.
        items: The elements, if the datatype is BYTES.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    items: list[bytes] | None = None


class BatchHead(msgspec.Struct, array_like=True, frozen=True):
    """A batch on its way to a replica.

    Attributes:
        number: Counts up on each connection.
        tensors: The inputs.
        parameters: The requests' common parameters.
        shared: Whether the tensors' bytes lie in shared memory.
    """

    number: int
    tensors: list[TensorHead]
    parameters: dict[str, Parameter]
    shared: bool


class ReplyHead(msgspec.Struct, array_like=True, frozen=True):
    """A replica's answer.

    Attributes:
        number: Of the batch.
        tensors: The outputs, or nothing if it failed.
        seconds: Time that the pipeline took (s).
        shared: Whether the tensors' bytes lie in shared memory.
        error: What went wrong.
    """

    number: int
    tensors: list[TensorHead]
    seconds: float
    shared: bool
    error: ErrorRecord | None = None


_encode = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(BatchHead).decode
decode_reply = msgspec.msgpack.Decoder(ReplyHead).decode


def heads_and_chunks(arrays: Mapping[str, np.ndarray]) -> tuple[list[TensorHead], list[np.ndarray], int]:
    """Describe tensors and collect the arrays whose bytes follow.

    Returns:
        The heads, the contiguous non-BYTES arrays in their order, and the sum of their aligned sizes (bytes).
    """
    heads: list[TensorHead] = []
    chunks: list[np.ndarray] = []
    total = 0
    for name, array in arrays.items():
        datatype = DATATYPE_NAMES[array.dtype]
        if datatype == BYTES:
            heads.append(TensorHead(name, datatype, array.shape, array.ravel().tolist()))
            continue
        heads.append(TensorHead(name, datatype, array.shape))
        chunks.append(array if array.flags.c_contiguous else np.ascontiguousarray(array))
        total += aligned(array.nbytes)
    return heads, chunks, total


def frame(head: BatchHead | ReplyHead, chunks: Iterable[np.ndarray]) -> bytes:
    """Put a whole frame together with the tensors' bytes inline."""
    header = _encode(head)
    parts = [chunk.tobytes() for chunk in chunks]
    payload = b"".join(parts)
    return b"".join((PREFIX.pack(len(header), len(payload)), header, payload))


def write_shared(memory: memoryview, chunks: Iterable[np.ndarray]) -> None:
    """Copy arrays into shared memory, each on its alignment."""
    offset = 0
    for chunk in chunks:
        if chunk.nbytes:
            target = np.frombuffer(memory, dtype=chunk.dtype, count=chunk.size, offset=offset)
            np.copyto(target, chunk.reshape(-1))
        offset += aligned(chunk.nbytes)


def read_tensors(heads: Iterable[TensorHead], data: memoryview | bytes, *, shared: bool) -> dict[str, np.ndarray]:
    """Build the arrays of a frame as views of its bytes.

    Args:
        heads: The tensors.
        data: The payload, or the shared memory.
        shared: Whether the tensors are aligned, as in shared memory.
    """
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for head in heads:
        if head.items is not None:
            array = np.empty(len(head.items), dtype=object)
            array[:] = head.items
            arrays[head.name] = array.reshape(head.shape)
            continue
        dtype = NUMPY_TYPES[head.datatype]
        count = 1
        for size in head.shape:
            count *= size
        arrays[head.name] = np.frombuffer(data, dtype=dtype, count=count, offset=offset).reshape(head.shape)
        nbytes = count * dtype.itemsize
        offset += aligned(nbytes) if shared else nbytes
    return arrays


def aligned(nbytes: int) -> int:
    """Round a size up to the alignment of shared memory (bytes)."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def record_error(error: PumiceError) -> ErrorRecord:
    """Make an error ready to cross the process boundary."""
    names = getattr(type(error), "__dataclass_fields__", {})
    return ErrorRecord(type(error).__name__, {name: getattr(error, name) for name in names})


def raise_kind(record: ErrorRecord, model: str) -> PumiceError:
    """Build the error that a record tells of; an unknown kind counts as a failed model."""
    kind = getattr(errors, record.kind, None)
    if isinstance(kind, type) and issubclass(kind, PumiceError):
        try:
            return kind(**record.fields)
        except TypeError:
            pass
    return ModelFailed(model, f"{record.kind} {record.fields}")
