"""Triton's extension for system shared memory: register, look, unregister."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from pumice.domain.errors import Unsupported
from pumice.gateway.grpc.calls import Call
from pumice.gateway.grpc.methods import Operation
from pumice.protocol.oip import grpc_codec
from pumice.protocol.oip.proto import open_inference_pb2 as pb
from pumice.protocol.oip.types import WireRequest, bind_outputs
from pumice.service.shared_memory import RegionWish

if TYPE_CHECKING:
    from pumice.service.shared_memory import CallersRegions, Regions


class SharedMemory:
    """The methods of the extension.

    Args:
        regions: The regions; None: the operator has not allowed any.
    """

    def __init__(self, regions: Regions | None) -> None:
        self._known = regions

    def operations(self) -> dict[str, Operation]:
        """The methods by name."""
        return {
            "SystemSharedMemoryStatus": self.status,
            "SystemSharedMemoryRegister": self.register,
            "SystemSharedMemoryUnregister": self.unregister,
        }

    async def status(self, body: bytes, call: Call) -> bytes:
        """One region, or all."""
        asked = grpc_codec.parse_message(pb.SystemSharedMemoryStatusRequest, body)
        answer = pb.SystemSharedMemoryStatusResponse()
        for wish in self._regions().listed(call.principal, asked.name):
            told = answer.regions[wish.name]
            told.name, told.key, told.offset, told.byte_size = wish.name, wish.key, wish.offset, wish.size
        return answer.SerializeToString()

    async def register(self, body: bytes, call: Call) -> bytes:
        """Let requests name a region."""
        asked = grpc_codec.parse_message(pb.SystemSharedMemoryRegisterRequest, body)
        call.target.update(region=asked.name[:255], key=asked.key[:255])
        wish = RegionWish(asked.name, asked.key, asked.offset, asked.byte_size, call.principal.caller)
        self._regions().register(wish)
        return pb.SystemSharedMemoryRegisterResponse().SerializeToString()

    async def unregister(self, body: bytes, call: Call) -> bytes:
        """Forget a region, or all."""
        asked = grpc_codec.parse_message(pb.SystemSharedMemoryUnregisterRequest, body)
        call.target["region"] = asked.name[:255]
        self._regions().unregister(asked.name, call.principal)
        return pb.SystemSharedMemoryUnregisterResponse().SerializeToString()

    def _regions(self) -> Regions:
        if self._known is None:
            raise Unsupported("system shared memory", "send tensors in the message, or have the operator allow it")
        return self._known


def memory_of(call: Call, regions: Regions | None) -> AbstractContextManager[CallersRegions | None]:
    """What a call's caller has of the regions; inside of the ``with`` block what it reads of them counts as held.

    Args:
        call: The call.
        regions: All regions; None: the operator has not allowed any.
    """
    return nullcontext() if regions is None else regions.of(call.principal.caller)


def read_wire(message: pb.ModelInferRequest, memory: CallersRegions | None) -> WireRequest:
    """Take an inference request out of its message, and its tensors out of shared memory.

    Args:
        message: The request.
        memory: What its caller has of the regions.

    Raises:
        PumiceError: As `pumice.protocol.oip.grpc_codec.read_infer`, or a region cannot be used.
    """
    wire = grpc_codec.read_infer(message, memory)
    if wire.shared is not None:
        bind_outputs(wire, memory)
    return wire
