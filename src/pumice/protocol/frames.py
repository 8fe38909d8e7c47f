"""Frames between a front process and a replica: one message per batch, over a Unix socket.

A frame is ``<u32 header length> <u64 payload length> <header> <payload>``, little-endian. The header is msgpack; the
payload holds the tensors' bytes in the order of the header. BYTES tensors travel inside the header, where msgpack
packs a list of byte strings in C. Tensors of `SHARED_MIN_BYTES` or more in all go through the connection's shared
memory instead of the payload; a replica works on one batch of a connection at a time, so both sides always write
from its start.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import msgspec
import numpy as np

from pumice.domain import errors
from pumice.domain.datatypes import BYTES, DATATYPE_NAMES, NUMPY_TYPES
from pumice.domain.errors import ModelFailed, PumiceError
from pumice.domain.model import Manifest, Parameter, Profile, Trust

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
        path: The model's file or folder, or an empty string; below the folder of ``files`` if there are some.
        manifest: What is known besides the file.
        threads: Threads of one inference.
        provider: Execution provider.
        device: Number of the device.
        socket: Path of the Unix socket on which the replica listens.
        confined: The process has given up its right to write; it gives up more when it knows what to load.
        network: It may use the network all the same.
        hidden: Folders whose files it may not read.
        memory_limit: Most memory of its own (bytes); 0: no limit.
        trust: What the operator named by hand.
        files: Paths of the model's files, whose descriptors follow in this order; None: they are on the disk.
        sealed: Whether these must come to no disk.
    """

    name: str
    version: str
    source: str
    path: str
    manifest: Manifest
    threads: int
    provider: str
    device: int
    socket: str = ""
    confined: bool = True
    network: bool = False
    hidden: tuple[str, ...] = ()
    memory_limit: int = 0
    trust: Trust = Trust()
    files: tuple[str, ...] | None = None
    sealed: bool = False


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
        shared: Bytes of the tensors in shared memory; 0: they are in the payload.
        traces: Trace contexts of the requests that brought one.
        warm_rows: If not 0, there are no tensors and the replica runs a typical request of so many rows.
        limit: Longest that the call may take (s); 0: as long as it likes.
    """

    number: int
    tensors: list[TensorHead]
    parameters: dict[str, Parameter]
    shared: int
    warm_rows: int = 0
    traces: list[str] = msgspec.field(default_factory=list)
    limit: float = 0.0


class ReplyHead(msgspec.Struct, array_like=True, frozen=True):
    """A replica's answer.

    Attributes:
        number: Of the batch.
        tensors: The outputs, or nothing if it failed.
        seconds: Time that the pipeline took (s).
        shared: Bytes of the tensors in shared memory; 0: they are in the payload.
        error: What went wrong.
        trace: Where it went wrong, for the log.
        began: When the pipeline was called, on the monotonic clock that all processes of a host share (s).
    """

    number: int
    tensors: list[TensorHead]
    seconds: float
    shared: int
    error: ErrorRecord | None = None
    trace: str = ""
    began: float = 0.0


_encode = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(BatchHead).decode
decode_reply = msgspec.msgpack.Decoder(ReplyHead).decode


@dataclass(slots=True)
class Packed:
    """Tensors ready to be framed.

    Attributes:
        heads: Their descriptions.
        pieces: For each tensor that is not BYTES, the contiguous arrays whose bytes make it up.
        nbytes: Sum of the aligned sizes (bytes).
    """

    heads: list[TensorHead]
    pieces: list[list[np.ndarray]]
    nbytes: int


def pack(requests: Sequence[Mapping[str, np.ndarray]], rows: int) -> Packed:
    """Join the tensors of one batch without copying them.

    Args:
        requests: Tensors by name; all have the same names, datatypes and sizes after the first axis.
        rows: Sum of their first axes; not looked at for a single request.
    """
    heads: list[TensorHead] = []
    pieces: list[list[np.ndarray]] = []
    nbytes = 0
    single = len(requests) == 1
    for name, first in requests[0].items():
        datatype = DATATYPE_NAMES[first.dtype]
        shape = first.shape if single else (rows, *first.shape[1:])
        arrays = [first] if single else [request[name] for request in requests]
        if datatype == BYTES:
            heads.append(
                TensorHead(name, datatype, shape, [item for array in arrays for item in array.ravel().tolist()])
            )
            continue
        heads.append(TensorHead(name, datatype, shape))
        pieces.append([array if array.flags.c_contiguous else np.ascontiguousarray(array) for array in arrays])
        nbytes += aligned(first.itemsize * prod(shape))
    return Packed(heads, pieces, nbytes)


def frame(head: BatchHead | ReplyHead, pieces: Iterable[Sequence[np.ndarray]] = ()) -> bytes:
    """Put a whole frame together, with the tensors' bytes inline."""
    header = _encode(head)
    parts: list[Any] = [b"", header]
    length = 0
    for tensor in pieces:
        for array in tensor:
            if array.nbytes:
                parts.append(array)
                length += array.nbytes
    parts[0] = PREFIX.pack(len(header), length)
    return b"".join(parts)


def write_shared(memory: memoryview, pieces: Iterable[Sequence[np.ndarray]]) -> None:
    """Copy tensors into shared memory, each on its alignment, its pieces one after the other."""
    start = 0
    for tensor in pieces:
        offset = start
        for array in tensor:
            if array.nbytes:
                target = np.frombuffer(memory, dtype=array.dtype, count=array.size, offset=offset)
                np.copyto(target, array.reshape(-1))
                offset += array.nbytes
        start = aligned(offset)


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
        offset = aligned(offset + nbytes) if shared else offset + nbytes
    return arrays


def aligned(nbytes: int) -> int:
    """Round a size up to the alignment of shared memory (bytes)."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def record_error(error: PumiceError) -> ErrorRecord:
    """Make an error ready to cross the process boundary."""
    names = getattr(type(error), "__dataclass_fields__", {})
    return ErrorRecord(type(error).__name__, {name: getattr(error, name) for name in names})


def error_of(record: ErrorRecord, model: str) -> PumiceError:
    """Build the error that a record tells of; an unknown kind counts as a failed model."""
    kind = getattr(errors, record.kind, None)
    if isinstance(kind, type) and issubclass(kind, PumiceError):
        try:
            return kind(**record.fields)
        except TypeError:
            pass
    return ModelFailed(model, f"{record.kind} {record.fields}")
