"""gRPC: the Open Inference Protocol, health, reflection, and the text service."""

from pumice.gateway.grpc.context import GrpcContext
from pumice.gateway.grpc.server import GrpcOptions, GrpcServer, start_grpc

__all__ = ["GrpcContext", "GrpcOptions", "GrpcServer", "start_grpc"]
