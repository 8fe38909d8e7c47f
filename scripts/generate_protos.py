"""Generates the message modules from the .proto files: `python -m scripts.generate_protos` after an edit of one.

The modules register their messages in a descriptor pool of their own. protoc's own Python code would put them into the
pool that the whole process shares, and that takes every name once: the clients of Triton and KServe bring messages of
the same names, so importing two of the three together would fail. A module uses public calls of protobuf alone, so it
runs on any version of it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).resolve().parents[1]
PROTOS = (
    ROOT / "src/pumice/protocol/oip/proto/open_inference.proto",
    ROOT / "src/pumice/protocol/seed/model_service.proto",
)

BYTES_PER_LINE = 24

MODULE = '''"""Messages of {proto}; made from it by scripts/generate_protos.py, not to be edited."""

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

# a pool of its own: the shared one takes a name once, and other packages bring messages of these names
DESCRIPTOR = DescriptorPool().AddSerializedFile(
{descriptor}
)
globals().update((name, GetMessageClass(kind)) for name, kind in DESCRIPTOR.message_types_by_name.items())
'''


def compile_proto(proto: Path) -> tuple[FileDescriptorProto, str]:
    """Run protoc on one file.

    Returns:
        What the file declares, and the type stub of its messages.

    Raises:
        subprocess.CalledProcessError: protoc found a fault; it has printed it.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto.parent}", f"--pyi_out={out}",
             f"--descriptor_set_out={out / 'set'}", proto.name],
            check=True,
        )  # fmt: skip
        [declared] = FileDescriptorSet.FromString((out / "set").read_bytes()).file
        return declared, (out / f"{proto.stem}_pb2.pyi").read_text(encoding="utf-8")


def module_text(proto: Path, declared: FileDescriptorProto) -> str:
    """Write the Python module of one file."""
    data = declared.SerializeToString(deterministic=True)
    lines = [f"    {data[at : at + BYTES_PER_LINE]!r}" for at in range(0, len(data), BYTES_PER_LINE)]
    return MODULE.format(proto=proto.name, descriptor="\n".join(lines))


def main() -> None:
    """Write the module and the stub beside every .proto file."""
    for proto in PROTOS:
        declared, stub = compile_proto(proto)
        proto.with_name(f"{proto.stem}_pb2.py").write_text(module_text(proto, declared), encoding="utf-8")
        proto.with_name(f"{proto.stem}_pb2.pyi").write_text(stub, encoding="utf-8")


if __name__ == "__main__":
    main()
