"""gRPC: the Open Inference Protocol, health, reflection, and the text service."""

from pumice.gateway.grpc.server import GrpcOptions, GrpcServer, start_grpc

__all__ = ["GrpcOptions", "GrpcServer", "start_grpc"]
