"""What a file is, and what becomes of it; decided by its bytes, before anything reads it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadArtefact, BadSetting, UnsafeArtefact
from pumice.engines.safety import archives, arrays, what_runs_code

_TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
_ARRAY_SUFFIXES = (".npy", ".npz")
_HF_SINGLE, _HF_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
_HF_NAME = re.compile(r"pytorch_model(-[0-9]{5}-of-[0-9]{5})?\.bin")
_MODULE = "pumice.engines.conversion"
_TORCH = ("torch", "safetensors.torch")
_SKLEARN = ("sklearn", "scipy.sparse", "skops.io", "joblib", "pumice.engines.conversion.estimators")


class ConvertWish(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is to be converted.

    Attributes:
        run_code: Let pickled objects of any kind be made: the file's own code runs, in the sandbox.
        unconfined: Do it although this system cannot enforce the sandbox, or without it.
        seconds: Longest time (s).
        memory: Most memory (bytes).
    """

    run_code: bool = False
    unconfined: bool = False
    seconds: float = 600.0
    memory: int = 4 << 30


@dataclass(frozen=True)
class Plan:
    """A conversion that is possible.

    Attributes:
        kind: What the file is, for people.
        function: What converts it, in the confined process.
        target: Name of the result; empty: a folder.
        arguments: What it is called with.
        libraries: What it needs.
        install: The command that installs them.
        taken: Files of a folder that are converted; the others are copied.
    """

    kind: str
    function: str
    target: str
    arguments: dict[str, Any]
    libraries: tuple[str, ...]
    install: str = ""
    taken: frozenset[str] = field(default_factory=frozenset)


def decide(path: Path, out: Path | None, *, run_code: bool) -> Plan:
    """Say how a file or folder is converted.

    Args:
        path: The file or folder.
        out: Where the result is to be; its ending says which form, where there are several.
        run_code: Whether its own code may run.

    Raises:
        BadArtefact: There is nothing to convert.
        BadSetting: The form that is wanted is not possible.
        UnsafeArtefact: It cannot be converted without what made it.
    """
    if path.is_dir():
        return _folder(path, run_code=run_code)
    found = what_runs_code(path)
    if not found:
        raise BadArtefact(str(path), "nothing in it runs code", "push or serve it as it is")
    if found == archives.KERAS:
        mend = "convert it with tf2onnx, or keras.Model.export, where Keras is installed"
        raise UnsafeArtefact(str(path), archives.KERAS, mend)
    if found == archives.COMPILED:
        raise UnsafeArtefact(str(path), archives.COMPILED, "export the module again, with torch.export.save")
    if found in {archives.BOMB, archives.TOO_MUCH, archives.BROKEN, archives.HIDDEN}:
        raise UnsafeArtefact(str(path), found, "unpack it yourself, where nothing can be harmed")
    if found == archives.TORCHSCRIPT:
        return _script(path, out)
    if found == archives.TORCH_SAVE or path.suffix.lower() in _TORCH_SUFFIXES:
        return _torch(path, out, "a file of torch.save", run_code=run_code)
    if found == arrays.OBJECT_ARRAY or path.suffix.lower() in _ARRAY_SUFFIXES:
        target = _target(
            path, out, (path.suffix.lower() if path.suffix.lower() in _ARRAY_SUFFIXES else ".npy",), ".plain"
        )
        return Plan("NumPy arrays of objects", f"{_MODULE}.arrays:to_plain", target, {"target": target}, ())
    return _estimator(path, out, run_code=run_code)


def _script(path: Path, out: Path | None) -> Plan:
    if out is None or out.suffix != ".safetensors":
        found = f"{archives.TORCHSCRIPT}, and its graph cannot be converted without the module that it was made of"
        mend = "export that module with torch.export.save; name OUT.safetensors to take its weights alone"
        raise UnsafeArtefact(str(path), found, mend)
    return _torch(path, out, "TorchScript", script=True)


def _torch(path: Path, out: Path | None, kind: str, *, run_code: bool = False, script: bool = False) -> Plan:
    target = _target(path, out, (".safetensors",))
    arguments = {"target": target, "run_code": run_code, "script": script}
    return Plan(kind, f"{_MODULE}.torch_weights:to_safetensors", target, arguments, _TORCH, _pip("torch"))


def _estimator(path: Path, out: Path | None, *, run_code: bool) -> Plan:
    target = _target(path, out, (".skops", ".onnx"))
    arguments = {"target": target, "run_code": run_code}
    kind = "a pickle of a scikit-learn estimator"
    if target.endswith(".onnx"):
        libraries = (*_SKLEARN, "skl2onnx", "onnxruntime")
        install = "pip install 'pumice[sklearn]' skl2onnx"
        return Plan(kind, f"{_MODULE}.estimators:to_onnx", target, arguments, libraries, install)
    return Plan(kind, f"{_MODULE}.estimators:to_skops", target, arguments, _SKLEARN, _pip("sklearn"))


def _folder(path: Path, *, run_code: bool) -> Plan:
    shards = _shards(path)
    count = len(shards)
    if count == 1:
        names = dict.fromkeys(shards, "model.safetensors")
    else:
        names = {name: f"model-{i:05}-of-{count:05}.safetensors" for i, name in enumerate(shards, start=1)}
    return Plan(
        f"a Hugging Face folder with weights in {count} pickles",
        f"{_MODULE}.torch_weights:folder_to_safetensors",
        "",
        {"shards": names, "run_code": run_code},
        _TORCH,
        _pip("torch"),
        frozenset((*shards, _HF_INDEX)),
    )


def _shards(path: Path) -> list[str]:
    index = path / _HF_INDEX
    if not index.is_file():
        if (path / _HF_SINGLE).is_file():
            return [_HF_SINGLE]
        problem = f"a folder with neither {_HF_SINGLE} nor {_HF_INDEX}"
        raise BadArtefact(str(path), problem, "name the file that is to be converted")
    try:
        shards = sorted({str(name) for name in json.loads(index.read_bytes())["weight_map"].values()})
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise BadArtefact(str(index), f"it cannot be read ({type(error).__name__})", "copy it again") from None
    strange = [name for name in shards if not _HF_NAME.fullmatch(name) or not (path / name).is_file()]
    if strange or not shards:
        raise BadArtefact(str(index), f"it names {strange[:1] or 'nothing'}", "copy the folder again, whole")
    return shards


def _target(path: Path, out: Path | None, suffixes: tuple[str, ...], infix: str = "") -> str:
    """The name of the result; the first ending is what is made if nobody says."""
    if out is None:
        return f"{path.stem}{infix}{suffixes[0]}"
    if out.suffix.lower() not in suffixes:
        raise BadSetting("OUT", str(out), f"a name that ends with {' or '.join(suffixes)}")
    return out.name


def _pip(extra: str) -> str:
    return f"pip install 'pumice[{extra}]'"
