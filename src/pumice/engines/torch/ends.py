"""What a ``.pt2`` archive says of its inputs and outputs, read from its graph: no weights are loaded, no torch needed.

Names and numbers are those of ``torch/_export/serde/schema.py``. Whatever reads otherwise than expected is no error
here: the signature is then not known before torch loads the program.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pumice.domain.errors import PumiceError
from pumice.domain.signature import Signature, Tensor
from pumice.engines.torch.arguments import leaf_names

_GRAPH = "models/model.json"
_MOST_JSON_BYTES = 64 << 20
_DATATYPES = dict(
    enumerate(("UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"), start=1),
) | {12: "BOOL", 13: "FP32", 28: "UINT16", 34: "UINT32", 35: "UINT64"}
"""By torch's number; complex numbers (9 to 11) are not carried, and BF16 (13) travels as FP32."""


class _Spec:
    """A tree of outputs as the archive writes it, with the face that torch's own has."""

    def __init__(self, node: dict[str, Any]) -> None:
        self._kind = node["type"]
        self._children = [_Spec(child) for child in node["children_spec"]]
        self.num_children = len(self._children)
        context = node["context"]
        self.context = json.loads(context) if isinstance(context, str) else context

    def is_leaf(self) -> bool:
        return self._kind is None

    def children(self) -> list[_Spec]:
        return self._children


def read_ends(path: Path) -> Signature | None:
    """Read the signature of the program in an archive; None if it is not written as expected."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.partition("/")[2] == _GRAPH)
            if archive.getinfo(name).file_size > _MOST_JSON_BYTES:
                return None
            return _signature(json.loads(archive.read(name))["graph_module"])
    except (zipfile.BadZipFile, OSError, EOFError, StopIteration, RuntimeError, NotImplementedError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, PumiceError):
        return None


def _signature(module: dict[str, Any]) -> Signature:
    values = module["graph"]["tensor_values"]
    taken = [spec["user_input"]["arg"] for spec in module["signature"]["input_specs"] if "user_input" in spec]
    given = [spec["user_output"]["arg"] for spec in module["signature"]["output_specs"] if "user_output" in spec]
    call = next(entry["signature"] for entry in module["module_call_graph"] if not entry["fqn"])
    names = leaf_names(_Spec(json.loads(call["out_spec"])[1]), "")
    inputs = [_tensor(name, values[name]) for name in _tensors(taken)]
    # an output that is no tensor cannot be served
    outputs = [
        _tensor(name, values[argument["as_tensor"]["name"]]) for name, argument in zip(names, given, strict=True)
    ]
    return Signature(inputs=inputs, outputs=outputs)


def _tensors(arguments: list[dict[str, Any]]) -> Iterator[str]:
    return (argument["as_tensor"]["name"] for argument in arguments if "as_tensor" in argument)


def _tensor(name: str, value: dict[str, Any]) -> Tensor:
    return Tensor(name, _DATATYPES[value["dtype"]], [size.get("as_int", -1) for size in value["sizes"]])
