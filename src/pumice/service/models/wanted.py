"""What a caller of ``load`` wants: its parameters read, and mapped to settings of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import msgspec

from pumice.config import ModelSettings
from pumice.domain.errors import MalformedInput, TooLarge

FILE = "file:"
"""Beginning of the parameters that carry files, before the file's path in the model's folder."""

MAX_FILES = 10_000
_MAX_PATH = 1024

_KINDS = MappingProxyType({"KIND_AUTO": "", "KIND_CPU": "cpu", "KIND_GPU": "cuda"})
_FORMATS = MappingProxyType(
    {"onnxruntime": "onnx", "onnxruntime_onnx": "onnx", "onnx": "onnx", "python": "python", "openvino": "openvino"}
)

Parameters = Mapping[str, object]
"""Parameters of the protocol by name; the content of files is ``bytes``."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be loaded.

    Attributes:
        changes: Keys of `ModelSettings` that are given.
        files: Content by path, for a folder of its own.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def read_load(model: str, parameters: Parameters, max_bytes: int) -> Wanted:
    """Read the parameters of ``load``.

    Args:
        model: Name of the model.
        parameters: ``config`` and files.
        max_bytes: Most that the files may have together.

    Raises:
        MalformedInput: A parameter or a key of ``config`` is unknown, or its value is not allowed.
        TooLarge: The files are.
    """
    changes: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for name, value in parameters.items():
        if name == "config":
            changes = _read_config(model, value)
        elif name.startswith(FILE):
            files[_safe_path(name.removeprefix(FILE))] = _content(name, value)
        else:
            raise MalformedInput(f"parameter '{name}'", f"unknown; 'config' and '{FILE}<path>' are known")
    size = sum(map(len, files.values()))
    if size > max_bytes:
        raise TooLarge("the files of the model", size, max_bytes)
    if len(files) > MAX_FILES:
        raise TooLarge("the model", len(files), MAX_FILES, "files")
    if files and "source" in changes:
        raise MalformedInput("parameter 'config'", "'source' beside files; give one of them")
    return Wanted(changes, files)


def read_unload(parameters: Parameters) -> str:
    """Read the parameters of ``unload`` and return the version that is meant, or an empty string for all.

    Raises:
        MalformedInput: A parameter is unknown, or its value is not allowed.
    """
    for name, value in parameters.items():
        if name not in {"unload_dependents", "version"}:
            raise MalformedInput(f"parameter '{name}'", "unknown; 'unload_dependents' and 'version' are known")
        if not isinstance(value, bool if name == "unload_dependents" else str):
            raise MalformedInput(
                f"parameter '{name}'", f"{value!r}; expected {'true or false' if name[0] == 'u' else 'text'}"
            )
    return str(parameters.get("version", ""))


def _read_config(model: str, value: object) -> dict[str, Any]:
    if not isinstance(value, str):
        raise MalformedInput("parameter 'config'", f"a {type(value).__name__}; expected JSON as text")
    try:
        config = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise MalformedInput("parameter 'config'", f"no JSON: {error}") from None
    if not isinstance(config, dict):
        raise MalformedInput("parameter 'config'", f"a {type(config).__name__}; expected an object")
    changes: dict[str, Any] = {}
    for key, given in config.items():
        said = _change(model, key, given)
        if isinstance(said.get("manifest"), dict):
            said = {"manifest": changes.get("manifest", {}) | said["manifest"]}
        changes |= said
    try:
        msgspec.convert({"name": model, "source": ""} | changes, ModelSettings)
    except msgspec.ValidationError as error:
        raise MalformedInput("parameter 'config'", str(error)) from None
    return changes


def _change(model: str, key: str, given: Any) -> dict[str, Any]:
    """What one key of ``config`` says, in our words."""
    if key in _OWN:
        return {key: given}
    if key in _OPERATORS:
        raise MalformedInput("parameter 'config'", f"'{key}' is the operator's to set, when the server is started")
    reader = _TRITON.get(key)
    if reader is None:
        known = ", ".join(sorted({*_OWN, *_TRITON}))
        raise MalformedInput("parameter 'config'", f"unknown key '{key}'; known: {known}")
    try:
        return reader(model, given)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise MalformedInput("parameter 'config'", f"'{key}' is not as Triton's model configuration has it") from None


def _name(model: str, given: Any) -> dict[str, Any]:
    if given != model:
        raise MalformedInput("parameter 'config'", f"'name' is '{given}', but '{model}' is to be loaded")
    return {}


def _format(_model: str, given: Any) -> dict[str, Any]:
    if not given:
        return {}
    if given not in _FORMATS:
        raise MalformedInput("parameter 'config'", f"backend or platform '{given}'; known: {', '.join(_FORMATS)}")
    return {"manifest": {"format": _FORMATS[given]}}


def _rows(_model: str, given: Any) -> dict[str, Any]:
    return {"max_batch_size": given or 1}  # 0 is Triton's word for a model that takes no batches


def _instances(_model: str, given: Any) -> dict[str, Any]:
    if not given:
        return {}
    kinds = {group.get("kind", "KIND_AUTO") for group in given}
    unknown = kinds - set(_KINDS)
    if unknown or len(kinds) > 1:
        allowed = f"one of {', '.join(_KINDS)} for all groups"
        raise MalformedInput(
            "parameter 'config'", f"'instance_group' kind {', '.join(sorted(kinds))}; allowed {allowed}"
        )
    provider = _KINDS[kinds.pop()]
    return {"replicas": sum(int(group.get("count", 1)) for group in given)} | (
        {"provider": provider} if provider else {}
    )


def _batching(_model: str, given: Any) -> dict[str, Any]:
    unknown = set(given) - {"max_queue_delay_microseconds", "preferred_batch_size"}
    if unknown:
        raise MalformedInput("parameter 'config'", f"unknown key 'dynamic_batching.{min(unknown)}'")
    # sizes that are preferred are found from the measured latencies here
    return {"max_delay_ms": int(given.get("max_queue_delay_microseconds", 0)) / 1000}


def _policy(_model: str, given: Any) -> dict[str, Any]:
    (kind, said), *more = given.items()
    if more:
        raise ValueError(given)
    if kind == "specific":
        return {"versions": [str(int(number)) for number in said["versions"]]}
    if kind == "latest" and int(said.get("num_versions", 1)) == 1:
        return {"versions": "newest"}
    if kind == "all":
        return {"versions": "all"}
    raise MalformedInput("parameter 'config'", "'version_policy'; known: latest (of 1), all, specific")


_OPERATORS = frozenset({"sandbox", "network", "trust", "memory_limit"})
"""Settings that keep a model from doing harm; they are not for those who may load models."""

_OWN = frozenset(ModelSettings.__struct_fields__) - {"name", "max_batch_size"} - _OPERATORS
_TRITON = MappingProxyType(
    {
        "name": _name,
        "platform": _format,
        "backend": _format,
        "max_batch_size": _rows,
        "maxBatchSize": _rows,
        "instance_group": _instances,
        "instanceGroup": _instances,
        "dynamic_batching": _batching,
        "dynamicBatching": _batching,
        "version_policy": _policy,
        "versionPolicy": _policy,
    }
)


def _content(name: str, value: object) -> bytes:
    if not isinstance(value, bytes):
        raise MalformedInput(f"parameter '{name[:100]}'", f"a {type(value).__name__}; expected the file's content")
    return value


def _safe_path(path: str) -> str:
    """Refuse a path that could lead out of the model's folder, however it is written."""
    parts = path.split("/")
    bad = any(part in {"", ".", ".."} or "\\" in part or not part.isprintable() for part in parts)
    if bad or len(path.encode()) > _MAX_PATH or PurePosixPath(path).is_absolute():
        raise MalformedInput(f"parameter '{FILE}{path[:100]}'", "no path inside of the model's folder")
    return path
