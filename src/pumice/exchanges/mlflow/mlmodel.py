"""``MLmodel``, the file in which MLflow says what a model is, read and written.

Its form: https://mlflow.org/docs/latest/ml/model/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from pumice.domain.datatypes import NUMPY_TYPES
from pumice.domain.errors import BadSetting, MalformedInput, UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.names import check_path
from pumice.domain.store.records import VersionRecord
from pumice.protocol.safe_yaml import load_yaml

NAME = "MLmodel"
"""The file."""

OURS = "pumice"
"""Our flavour: marks a file that an export has written."""

_FUNCTION = "python_function"
_TEXT = "object"
_WAYS: Mapping[str, str] = {
    "sklearn": "log it with serialization_format='skops', or convert it to ONNX with skl2onnx",
    "pytorch": "export it to .pt2 with torch.export.save, or to ONNX and log that with mlflow.onnx",
    _FUNCTION: "log what it computes as ONNX or skops; your own code goes in by pumice models push module:Class",
}


class MlModel(msgspec.Struct, frozen=True):
    """What such a file says.

    Attributes:
        flavours: Ways in which the model can be loaded, by name.
        data: All of it.
    """

    flavours: dict[str, dict[str, Any]]
    data: dict[str, Any]

    @property
    def ours(self) -> dict[str, Any]:
        """What our export has written down; empty: it is none of ours."""
        return self.flavours.get(OURS, {})


def read_mlmodel(text: str) -> MlModel:
    """Read the file.

    Raises:
        MalformedInput: It is no YAML of plain values, or has no flavours.
    """
    data = load_yaml(text, NAME)
    flavours = data.get("flavors") if isinstance(data, dict) else None
    if not isinstance(flavours, dict) or not all(isinstance(told, dict) for told in flavours.values()):
        raise MalformedInput(NAME, "no mapping with 'flavors'")
    return MlModel(flavours, data)


def manifest_of(model: MlModel, paths: frozenset[str]) -> Manifest:
    """What is known of a model of another's.

    Args:
        model: What its file says.
        paths: Its files.

    Raises:
        UnsafeArtefact: It is nothing but Python code, or a pickle.
        MalformedInput: It names a file that leads out, or a signature that cannot be read.
    """
    flavours = model.flavours
    signature = _signature(model.data.get("signature"))
    if "onnx" in flavours:
        return Manifest(format="onnx", model=_inside(flavours["onnx"].get("data"), paths), signature=signature)
    if "sklearn" in flavours:
        told = flavours["sklearn"]
        path = _inside(told.get("pickled_model"), paths)
        if not path.endswith(".skops"):
            raise UnsafeArtefact(path, f"a model that is kept as {told.get('serialization_format')}", _WAYS["sklearn"])
        return Manifest(format="sklearn", model=path, signature=signature)
    if "pytorch" in flavours:
        raise UnsafeArtefact(NAME, "a model that is kept by torch.save", _WAYS["pytorch"])
    if "transformers" in flavours:
        return Manifest(format="transformers", signature=signature)
    if set(flavours) <= {_FUNCTION}:
        raise UnsafeArtefact(NAME, "a Python function", _WAYS[_FUNCTION])
    return Manifest(signature=signature)


def write_mlmodel(record: VersionRecord, manifest: VersionManifest) -> str:
    """Write the file of a version, with the flavours by which MLflow can load it."""
    ours = {"model": record.model, "version": record.version, "digest": record.digest, "entry": manifest.entry}
    flavours: dict[str, Any] = {OURS: ours}
    if manifest.spec.format == "onnx" and manifest.entry:
        flavours["onnx"] = {"data": manifest.entry, "onnx_version": "", "providers": ["CPUExecutionProvider"]}
        flavours[_FUNCTION] = {"loader_module": "mlflow.onnx", "data": manifest.entry, "env": {}}
    data: dict[str, Any] = {"flavors": flavours}
    signature = _written(manifest.signature or manifest.spec.signature)
    data |= {"signature": signature} if signature else {}
    return yaml.safe_dump(data, sort_keys=True)


def _inside(path: object, paths: frozenset[str]) -> str:
    if not isinstance(path, str) or check_path(path) not in paths:
        raise MalformedInput(NAME, f"it names a file {path!r} that is not there")
    return path


def _signature(told: object) -> Signature | None:
    """Named tensors; columns of a table, and tensors without names, are none of ours."""
    if not isinstance(told, dict):
        return None
    sides = [_side(told.get(side)) for side in ("inputs", "outputs")]
    if not sides[0] or not sides[1]:
        return None
    try:
        return Signature(*sides)
    except BadSetting as error:
        raise MalformedInput(f"{NAME}, signature", error.message) from None


def _side(text: object) -> list[Tensor]:
    if not isinstance(text, str):
        return []
    try:
        told = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedInput(f"{NAME}, signature", str(error)) from None
    found = [_tensor(one) for one in told] if isinstance(told, list) else []
    return [tensor for tensor in found if tensor is not None] if all(found) else []


def _tensor(told: object) -> Tensor | None:
    spec = told.get("tensor-spec") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(spec, dict) or not isinstance(told.get("name"), str):
        return None
    names = {str(kind): name for name, kind in NUMPY_TYPES.items() if name != "BF16"} | {"str": "BYTES"}
    datatype, shape = names.get(str(spec.get("dtype"))), spec.get("shape")
    if datatype is None or not isinstance(shape, list) or not all(isinstance(size, int) for size in shape):
        return None
    try:
        return Tensor(told["name"], datatype, shape, optional=told.get("required") is False)
    except BadSetting as error:
        raise MalformedInput(f"{NAME}, signature", error.message) from None


def _written(signature: Signature | None) -> dict[str, Any]:
    if signature is None or any(tensor.datatype == "BF16" for tensor in [*signature.inputs, *signature.outputs]):
        return {}
    sides = {"inputs": signature.inputs, "outputs": signature.outputs}
    return {
        side: msgspec.json.encode([_spec(tensor) for tensor in tensors]).decode() for side, tensors in sides.items()
    }


def _spec(tensor: Tensor) -> dict[str, Any]:
    kind = _TEXT if tensor.datatype == "BYTES" else str(NUMPY_TYPES[tensor.datatype])
    told: dict[str, Any] = {
        "name": tensor.name,
        "type": "tensor",
        "tensor-spec": {"dtype": kind, "shape": tensor.shape},
    }
    return told | ({"required": False} if tensor.optional else {})
