"""What a graph says of its inputs and outputs, as ONNX Runtime reports it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from pumice.domain.errors import BadArtefact
from pumice.domain.signature import Signature, Tensor

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
_OPTIONAL = "optional("


class Node(Protocol):
    """ONNX Runtime's description of an input or output.

    Attributes:
        name: Its name in the graph.
        type: Its ONNX type, for example ``tensor(float)``.
        shape: Sizes; a name or None where any size may come; empty for a scalar and where the rank is unknown.
    """

    name: str
    type: str
    shape: Sequence[int | str | None]


class Nodes(Protocol):
    """The part of ONNX Runtime's session that describes the graph."""

    def get_inputs(self) -> list[Node]:
        """Inputs that have no value in the file."""

    def get_overridable_initializers(self) -> list[Node]:
        """Inputs that have a value in the file, used where a request gives none."""

    def get_outputs(self) -> list[Node]:
        """Outputs."""


@dataclass(frozen=True)
class Graph:
    """What is served of a graph.

    Attributes:
        signature: Its tensors.
        joinable: Whether the inputs of several requests can be joined along their first axes.
        proven: Whether the names of all first axes say that outputs have the rows of the inputs.
    """

    signature: Signature
    joinable: bool
    proven: bool


def read_graph(nodes: Nodes, path: str, said: Signature | None) -> Graph:
    """Read the signature of a graph.

    Args:
        nodes: The session.
        path: The file, for messages.
        said: The manifest's signature. Its shapes win over the file's; outputs that it leaves out are not computed.

    Raises:
        BadArtefact: A tensor has a type that is not carried, or the manifest contradicts the file.
    """
    required, spare, outputs = nodes.get_inputs(), nodes.get_overridable_initializers(), nodes.get_outputs()
    axis_of_inputs = {_first_axis(node) for node in required}
    joinable = bool(required) and len(axis_of_inputs - {None}) <= 1 and all(map(_free_first_axis, required))
    if said is None:
        # weights that some exporters leave open to change would stand in the way of joining rows
        kept = [node for node in spare if not joinable or _free_first_axis(node)]
        inputs = [_tensor(node, path) for node in required]
        inputs += [msgspec.structs.replace(_tensor(node, path), optional=True) for node in kept]
        signature = Signature(inputs=inputs, outputs=[_tensor(node, path) for node in outputs])
    else:
        signature = _agreed(said, [*required, *spare], outputs, path)
        missing = {n.name for n in required if not n.type.startswith(_OPTIONAL)} - {t.name for t in said.inputs}
        if missing:
            raise BadArtefact(path, f"the manifest's signature leaves out the inputs {sorted(missing)}", "add them")
        joinable = len(axis_of_inputs - {None}) <= 1
    served = {tensor.name for tensor in signature.outputs}
    axes = axis_of_inputs | {_first_axis(node) for node in outputs if node.name in served}
    return Graph(signature, joinable, proven=len(axes) == 1 and None not in axes)


def _free_first_axis(node: Node) -> bool:
    return bool(node.shape) and not isinstance(node.shape[0], int)


def _first_axis(node: Node) -> str | None:
    """The name of the first axis, if it has one."""
    first = node.shape[0] if node.shape else None
    return first if isinstance(first, str) else None


def _tensor(node: Node, path: str) -> Tensor:
    optional = node.type.startswith(_OPTIONAL)
    inner = node.type.removeprefix(_OPTIONAL).removesuffix(")") if optional else node.type
    datatype = _DATATYPES.get(inner)
    if datatype is None:
        raise BadArtefact(
            path,
            f"'{node.name}' is a {node.type}, which cannot be sent",
            "export it as a plain tensor (for scikit-learn: options={'zipmap': False}; for BF16: as FP32 or FP16), "
            "or leave it out of the outputs by a 'signature' in the manifest",
        )
    shape = [size if isinstance(size, int) and size >= 0 else -1 for size in node.shape]
    return Tensor(node.name, datatype, shape, optional)


def _agreed(said: Signature, inputs: Sequence[Node], outputs: Sequence[Node], path: str) -> Signature:
    """The manifest's signature, held against the file."""
    known_inputs, known_outputs = _by_name(inputs), _by_name(outputs)
    sides = ((said.inputs, known_inputs), (said.outputs, known_outputs))
    for tensors, known in sides:
        for tensor in tensors:
            node = known.get(tensor.name)
            if node is None:
                raise BadArtefact(
                    path, f"it has no '{tensor.name}', which the manifest's signature names", f"it has {sorted(known)}"
                )
            own = _tensor(node, path)
            if own.datatype != tensor.datatype or (node.shape and len(own.shape) != len(tensor.shape)):
                raise BadArtefact(
                    path, f"'{tensor.name}' is {own}", f"mend the manifest's signature, which says {tensor}"
                )
    return said


def _by_name(nodes: Iterable[Node]) -> dict[str, Node]:
    return {node.name: node for node in nodes}
