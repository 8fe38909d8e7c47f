"""What a program takes and gives: torch's tree of arguments on one side, named tensors on the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pumice.domain.errors import BadArtefact
from pumice.domain.signature import Signature, Tensor

_DATATYPES = {
    "torch.bool": "BOOL",
    "torch.uint8": "UINT8",
    "torch.uint16": "UINT16",
    "torch.uint32": "UINT32",
    "torch.uint64": "UINT64",
    "torch.int8": "INT8",
    "torch.int16": "INT16",
    "torch.int32": "INT32",
    "torch.int64": "INT64",
    "torch.float16": "FP16",
    "torch.bfloat16": "FP32",  # NumPy has no BF16: such tensors travel as FP32, which holds every BF16 number
    "torch.float32": "FP32",
    "torch.float64": "FP64",
}


@dataclass(frozen=True)
class Interface:
    """How a program is called.

    Attributes:
        signature: Its tensors by name.
        inputs: For each leaf of its arguments the tensor's name, or the constant with which it was exported.
        dtypes: torch's dtype of each input tensor.
        joinable: Whether all first axes are one and the same free size.
        most_rows: The largest first axis that the program was exported for, or None.
    """

    signature: Signature
    inputs: list[tuple[str, Any]]
    dtypes: dict[str, Any]
    joinable: bool
    most_rows: int | None


def read_interface(program: Any, path: str) -> Interface:
    """Read the interface of an `ExportedProgram`.

    Raises:
        BadArtefact: A tensor has a type that cannot be sent, or an output is no tensor.
    """
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    leaves = list(program.graph_signature.user_inputs)
    inputs = [(leaf if _is_tensor(values, leaf) else "", leaf) for leaf in leaves]
    taken = [(name, values[name]) for name, _ in inputs if name]
    names = list(leaf_names(program.call_spec.out_spec, ""))
    outputs = list(program.graph_signature.user_outputs)
    wrong = [name for name, leaf in zip(names, outputs, strict=True) if not _is_tensor(values, leaf)]
    if wrong:
        raise BadArtefact(path, f"its output '{wrong[0]}' is no tensor", "export a module that returns tensors")
    given = [(name, values[leaf]) for name, leaf in zip(names, outputs, strict=True)]
    signature = Signature(
        inputs=[_tensor(name, value, path) for name, value in taken],
        outputs=[_tensor(name, value, path) for name, value in given],
    )
    axes = [value.shape[0] if value.ndim else None for _, value in (*taken, *given)]
    joinable = signature.batchable and len({str(axis) for axis in axes}) == 1
    return Interface(
        signature=signature,
        inputs=inputs,
        dtypes={name: value.dtype for name, value in taken},
        joinable=joinable,
        most_rows=_most(program.range_constraints, axes[0]) if joinable else None,
    )


def _is_tensor(values: dict[str, Any], leaf: Any) -> bool:
    return isinstance(leaf, str) and hasattr(values.get(leaf), "dtype")


def leaf_names(spec: Any, name: str) -> Iterator[str]:
    """Names of the outputs: keys of dictionaries, numbers of places; ``output`` for a single tensor.

    Args:
        spec: How the outputs are nested; torch's `TreeSpec`, or what has its face.
        name: What they are nested in so far.
    """
    if spec.is_leaf():
        yield name or "output"
        return
    keys: Sequence[Any] = spec.context if isinstance(spec.context, list) else range(spec.num_children)
    single = spec.num_children == 1 and not isinstance(spec.context, list)
    for key, child in zip(keys, spec.children(), strict=True):
        part = str(key) if isinstance(spec.context, list) or name else f"output_{key}"
        yield from leaf_names(child, name if single else f"{name}.{part}" if name else part)


def _tensor(name: str, value: Any, path: str) -> Tensor:
    datatype = _DATATYPES.get(str(value.dtype))
    if datatype is None:
        raise BadArtefact(path, f"'{name}' is a {value.dtype}, which cannot be sent", "export it as real numbers")
    return Tensor(name, datatype, [size if isinstance(size, int) else -1 for size in value.shape])


def _most(ranges: Any, axis: Any) -> int | None:
    """The upper bound of a free size, if it has one."""
    found = ranges.get(axis.node.expr)
    upper = getattr(found, "upper", None)
    return int(upper) if upper is not None and getattr(upper, "is_Integer", False) else None
