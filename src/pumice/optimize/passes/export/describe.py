"""What the JSON files of a Hugging Face directory say of its task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pumice.domain.errors import BadArtefact
from pumice.domain.model import ImageInput, Manifest

_KINDS = (
    ("ForSequenceClassification", "text-classification"),
    ("ForImageClassification", "image-classification"),
    ("Model", "text-embedding"),
)
_CLASSES = {
    "text-classification": ("AutoModelForSequenceClassification", "logits"),
    "image-classification": ("AutoModelForImageClassification", "logits"),
    "text-embedding": ("AutoModel", "last_hidden_state"),
}
_LONGEST = 4096
"""A tokenizer without a limit says 10^30."""


class Described(NamedTuple):
    """How a directory is exported and served.

    Attributes:
        auto_class: Class of `transformers` that loads it.
        output: The output that is kept.
        pixels: Channels, height and width of an image; empty for texts.
        manifest: For the ONNX model.
    """

    auto_class: str
    output: str
    pixels: tuple[int, ...]
    manifest: Manifest


def describe(folder: Path, task: str) -> Described:
    """Read what a directory says of itself.

    Args:
        folder: The directory.
        task: What it is for; ``auto``: what its architecture says.

    Raises:
        BadArtefact: A file is missing or cannot be read, or its architecture is for something else.
    """
    config = _read(folder / "config.json")
    if "auto_map" in config:
        raise BadArtefact(str(folder), "it brings Python code of its own", "export it by hand")
    architecture = str(next(iter(config.get("architectures") or ()), ""))
    found = next((kind for ending, kind in _KINDS if architecture.endswith(ending)), "")
    chosen = found if task == "auto" else task
    if chosen not in _CLASSES:
        taken = ", ".join(_CLASSES)
        problem = f"its architecture is '{architecture}'"
        raise BadArtefact(str(folder), problem, f"the tasks {taken} can be exported: name one as 'task', if it fits")
    auto_class, output = _CLASSES[chosen]
    labels = _labels(config) if output == "logits" else []
    if chosen == "image-classification":
        image = _image(folder)
        manifest = Manifest(format="onnx", model="model.onnx", task="image-classification", labels=labels, image=image)
        return Described(auto_class, output, (image.channels, image.height, image.width), manifest)
    if not (folder / "tokenizer.json").is_file():
        mend = "save a fast tokenizer beside it (AutoTokenizer.from_pretrained(…).save_pretrained(…))"
        raise BadArtefact(str(folder), "it has no tokenizer.json", mend)
    common = Manifest(format="onnx", model="model.onnx", tokenizer="tokenizer.json", max_length=_length(folder, config))
    if chosen == "text-classification":
        said = msgspec.structs.replace(common, task="text-classification", labels=labels)
    else:
        pooling, normalize = _pooling(folder)
        said = msgspec.structs.replace(common, task="text-embedding", pooling=pooling, normalize=normalize)
    return Described(auto_class, output, (), said)


def _labels(config: dict[str, Any]) -> list[str]:
    names = config.get("id2label") or {}
    return [str(names[key]) for key in sorted(names, key=int)]


def _length(folder: Path, config: dict[str, Any]) -> int:
    """Tokens that the model reads: the smallest of what its files say."""
    positions = _number(config.get("max_position_embeddings"))
    if str(config.get("model_type")) in ("roberta", "xlm-roberta", "camembert"):
        positions -= 2  # the first ones are that of the padding, and of none
    said = [positions]
    for name, key in (("tokenizer_config.json", "model_max_length"), ("sentence_bert_config.json", "max_seq_length")):
        if (folder / name).is_file():
            said.append(_number(_read(folder / name).get(key)))
    return min((number for number in said if 0 < number <= _LONGEST), default=512)


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _pooling(folder: Path) -> tuple[Any, bool]:
    """How sentence-transformers makes one vector of the tokens', if the directory is of its kind."""
    if not (folder / "modules.json").is_file():
        return "mean", True
    modules: Any = _read(folder / "modules.json")
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    place = next((str(m.get("path", "")) for m in modules if str(m.get("type", "")).endswith("Pooling")), "")
    said = _read(folder / place / "config.json") if place and (folder / place / "config.json").is_file() else {}
    ways = [key for key, value in said.items() if key.startswith("pooling_mode_") and value is True]
    if ways not in ([], ["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]) or "Dense" in kinds:
        raise BadArtefact(
            str(folder), f"it pools by {', '.join(ways)} of {kinds}", "export it by hand, with its pooling"
        )
    return ("cls" if ways == ["pooling_mode_cls_token"] else "mean"), "Normalize" in kinds


def _image(folder: Path) -> ImageInput:
    said = _read(folder / "preprocessor_config.json")
    crop = bool(said.get("do_center_crop", False))
    size: Any = said.get("crop_size" if crop else "size", said.get("size", 224))
    if isinstance(size, dict):
        edge: Any = size.get("shortest_edge", 224)
        height, width = int(size.get("height", edge)), int(size.get("width", edge))
    else:
        height = width = int(size)
    normal = bool(said.get("do_normalize", True))
    mean, std = said.get("image_mean") or [0.5] * 3, said.get("image_std") or [0.5] * 3
    return ImageInput(
        height=height,
        width=width,
        channels=1 if len(mean) == 1 else 3,
        scale=float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0,
        mean=[float(value) for value in mean] if normal else [0.0],
        std=[float(value) for value in std] if normal else [1.0],
        crop=crop,
    )


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadArtefact(str(file), f"it cannot be read as JSON: {error}", "copy the whole directory again") from None
