"""From the files of a Hugging Face directory to what Pumice knows of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import BadArtefact, MalformedInput
from pumice.domain.model import ImageInput, Manifest, Task
from pumice.domain.signature import Signature, Tensor
from pumice.exchanges.huggingface.card import Card

MOST_JSON_BYTES = 16 * 1024 * 1024
"""Largest of the small JSON files that is read (bytes); tokenizers and weights are not among them."""

_ONNX = ("model.onnx", "onnx/model.onnx", "onnx/model_quantized.onnx")
_SAFETENSORS = ".safetensors"
_GGUF = ".gguf"
_TOKENS = ("input_ids", "attention_mask")
_TYPED = frozenset(("bert", "albert", "electra", "mobilebert", "squeezebert"))
_NO_LIMIT = 1_000_000
_TASKS: Mapping[str, Task] = {
    "text-classification": "text-classification",
    "sentiment-analysis": "text-classification",
    "feature-extraction": "text-embedding",
    "sentence-similarity": "text-embedding",
    "image-classification": "image-classification",
}


class Files:
    """The small JSON files of a directory, read once each.

    Args:
        files: Where the files lie, by path.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.paths = files

    def json(self, path: str) -> Any:
        """Read a file; an empty object if there is none.

        Raises:
            MalformedInput: It is too large, or no JSON.
            BadArtefact: It cannot be read.
        """
        place = self.paths.get(path)
        if place is None:
            return {}
        try:
            if place.stat().st_size > MOST_JSON_BYTES:
                raise MalformedInput(path, f"more than {MOST_JSON_BYTES} bytes")
            return msgspec.json.decode(place.read_bytes())
        except OSError as error:
            raise BadArtefact(str(place), f"it cannot be read: {error.strerror}", "mend its permissions") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedInput(path, f"it is no JSON: {error}") from None

    def object(self, path: str) -> dict[str, Any]:
        """Read a file that holds an object.

        Raises:
            MalformedInput: It holds something else.
        """
        found = self.json(path)
        if not isinstance(found, dict):
            raise MalformedInput(path, f"a {type(found).__name__} where an object is expected")
        return found


def read_manifest(files: Files, card: Card) -> Manifest:
    """Put together what is known of a model.

    Raises:
        MalformedInput: One of its files cannot be read, or contradicts itself.
        BadSetting: A value is not allowed in a manifest.
    """
    config = files.object("config.json")
    onnx = next((path for path in _ONNX if path in files.paths), "")
    task = _task(files, card, config)
    labels = _labels(config)
    values: dict[str, Any] = {
        "format": "onnx" if onnx else _form(files),
        "model": onnx,
        "task": task,
        "labels": labels if task in {"text-classification", "image-classification"} else [],
        "tokenizer": "tokenizer.json" if "tokenizer.json" in files.paths else "",
        "max_length": _max_length(files, config),
        "image": _image(files) if task == "image-classification" else None,
        "signature": None if onnx else _signature(config, labels),
        "description": _text(card.data.get("description")),
        "licence": _licence(card.data),
        "metrics": _metrics(card.data),
    }
    if task == "text-embedding":
        values |= _pooling(files)
    return Manifest(**values)


def remote_code(files: Files) -> dict[str, Any]:
    """Code of its own that a model asks for: ``auto_map`` of each configuration, by file."""
    found: dict[str, Any] = {}
    for path in files.paths:
        if path.endswith("config.json"):
            told = files.json(path)
            if isinstance(told, dict) and (told.get("auto_map") or told.get("trust_remote_code")):
                found[path] = told.get("auto_map") or {"trust_remote_code": True}
    return found


def _form(files: Files) -> str:
    suffixes = {Path(path).suffix for path in files.paths}
    if _SAFETENSORS in suffixes:
        return "transformers"
    return "gguf" if _GGUF in suffixes else ""


def _task(files: Files, card: Card, config: Mapping[str, Any]) -> Task:
    said = _TASKS.get(_text(card.data.get("pipeline_tag")))
    architecture = _architecture(config)
    if said is None and architecture.endswith("ForSequenceClassification"):
        said = "text-classification"
    if said is None and architecture.endswith("ForImageClassification"):
        said = "image-classification"
    if said is None and "modules.json" in files.paths:
        said = "text-embedding"
    if said == "image-classification" and _image(files) is None:
        return "tensor"
    return said or "tensor"


def _architecture(config: Mapping[str, Any]) -> str:
    named = config.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else ""


def _labels(config: Mapping[str, Any]) -> list[str]:
    """Names of the classes in their order; a list that is not one from 0 on is refused."""
    told = config.get("id2label")
    if not isinstance(told, dict) or not told:
        return []
    try:
        by_number = {int(number): str(label) for number, label in told.items()}
    except ValueError:
        raise MalformedInput("config.json, id2label", "a class whose number is none") from None
    if sorted(by_number) != list(range(len(told))):
        raise MalformedInput("config.json, id2label", "classes that are not numbered from 0 on")
    return [by_number[number] for number in range(len(by_number))]


def _max_length(files: Files, config: Mapping[str, Any]) -> int:
    places = (
        (files.object("sentence_bert_config.json"), "max_seq_length"),
        (files.object("tokenizer_config.json"), "model_max_length"),
        (config, "max_position_embeddings"),
    )
    told = [known[key] for known, key in places if isinstance(known.get(key), int)]
    return next((length for length in told if 0 < length < _NO_LIMIT), 512)


def _pooling(files: Files) -> dict[str, Any]:
    modules = files.json("modules.json")
    if not isinstance(modules, list):
        return {}
    kinds = [str(module.get("type", "")) for module in modules if isinstance(module, dict)]
    pooling = files.object("1_Pooling/config.json")
    if pooling and not (pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode_cls_token")):
        raise MalformedInput("1_Pooling/config.json", "a pooling that is neither of the mean nor of the first token")
    return {
        "pooling": "cls" if pooling.get("pooling_mode_cls_token") else "mean",
        "normalize": any(kind.endswith(".Normalize") for kind in kinds),
    }


def _image(files: Files) -> ImageInput | None:
    told = files.object("preprocessor_config.json")
    size = told.get("crop_size") or told.get("size")
    sides = (size, size) if isinstance(size, int) else (_of(size, "height"), _of(size, "width"))
    if not all(isinstance(side, int) and side > 0 for side in sides):
        return None
    image = {
        "height": sides[0],
        "width": sides[1],
        "scale": told.get("rescale_factor", 1 / 255),
        "mean": told.get("image_mean", [0.0]),
        "std": told.get("image_std", [1.0]),
        "crop": bool(told.get("do_center_crop", False)),
    }
    try:
        return msgspec.convert(image, ImageInput)
    except msgspec.ValidationError as error:
        raise MalformedInput("preprocessor_config.json", str(error)) from None


def _signature(config: Mapping[str, Any], labels: list[str]) -> Signature | None:
    """What the architectures that a name tells take and give; None for all others."""
    architecture, width = _architecture(config), config.get("hidden_size")
    if not isinstance(width, int) or not architecture:
        return None
    names = [*_TOKENS, *(["token_type_ids"] if config.get("model_type") in _TYPED else [])]
    inputs = [Tensor(name, "INT64", [-1, -1]) for name in names]
    if architecture.endswith("ForSequenceClassification") and labels:
        return Signature(inputs, [Tensor("logits", "FP32", [-1, len(labels)])])
    if architecture.endswith("Model"):
        return Signature(inputs, [Tensor("last_hidden_state", "FP32", [-1, -1, width])])
    return None


def _licence(data: Mapping[str, Any]) -> str:
    told = data.get("license")
    if told == "other":
        return _text(data.get("license_name")) or "other"
    return ", ".join(map(str, told)) if isinstance(told, list) else _text(told)


def _metrics(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of ``model-index``, as ``data set: metric`` -> value."""
    found: dict[str, Any] = {}
    for model in _list(data.get("model-index")):
        for result in _list(_of(model, "results")):
            place = _of(_of(result, "dataset"), "name") or _of(_of(result, "dataset"), "type")
            for metric in _list(_of(result, "metrics")):
                name = _of(metric, "name") or _of(metric, "type")
                if name and isinstance(_of(metric, "value"), int | float | str):
                    found[f"{place}: {name}" if place else str(name)] = _of(metric, "value")
    return found


def _of(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
