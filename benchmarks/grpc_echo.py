"""The least that Python's own gRPC costs: a `grpc.aio` server on uvloop that answers every `ModelInfer` alike.

`python -m benchmarks.grpc_echo PORT ANSWER` answers with the bytes of the file ANSWER.
"""

import sys
from pathlib import Path

import grpc
import uvloop

from benchmarks.grpc_load import METHOD, SERVICE


async def serve(port: int, answer: bytes) -> None:
    """Serves until the process is ended."""

    async def echo(_: bytes, __: object) -> bytes:
        return answer

    methods = {METHOD: grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.aio.server(handlers=[grpc.method_handlers_generic_handler(SERVICE, methods)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
