"""What a model says of itself: the manifest beside its file, and the profile that a loaded replica reports."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pumice.domain.errors import BadSetting
from pumice.domain.signature import Signature

Task = Literal["tensor", "text-classification", "text-embedding", "image-classification"]
CleanPolicy = Literal["refuse", "repair", "off"]

TEXT_TASKS: frozenset[str] = frozenset({"text-classification", "text-embedding"})

Parameter = str | int | float | bool
"""A request parameter's value."""


class ImageInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an image becomes the model's input tensor.

    Attributes:
        height: Pixels.
        width: Pixels.
        channels: 1 (grey) or 3 (RGB).
        layout: Order of the axes after the batch.
        scale: Factor on the 0..255 values, before mean and std.
        mean: Subtracted, per channel.
        std: Divided by, per channel.
        crop: Whether the shorter side is fitted and the middle cut out (else both sides are stretched).
    """

    height: int
    width: int
    channels: Literal[1, 3] = 3
    layout: Literal["CHW", "HWC"] = "CHW"
    scale: float = 1 / 255
    mean: list[float] = msgspec.field(default_factory=lambda: [0.0])
    std: list[float] = msgspec.field(default_factory=lambda: [1.0])
    crop: bool = True


class Trust(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Code that the operator lets a model use.

    It stands in the server's settings, never in a model's manifest: that travels with the model, which would then
    vouch for itself.

    Attributes:
        types: Python types that a `.skops` file may use beyond the library's own, as ``package.module.Type``.
        custom_ops: Shared libraries with operators of ONNX Runtime (paths).
    """

    types: list[str] = msgspec.field(default_factory=list)
    custom_ops: list[str] = msgspec.field(default_factory=list)


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the model's file cannot say; ``manifest.json`` beside it, or the entry in ``pumice.yaml``.

    Attributes:
        format: Name of the engine that runs it; found from the file if left out.
        model: The model's file, relative to the manifest's folder.
        task: What a caller sends and gets.
        labels: Names of the classes, in the order of the logits.
        probabilities: The model's scores are probabilities already, not logits.
        tokenizer: A `tokenizers` file, relative to the manifest's folder.
        max_length: Most tokens of one text that the model reads; longer texts are cut (tokens).
        signature: Named tensors, where the file does not tell them.
        image: How an image becomes the input tensor.
        pooling: How token vectors [batch, tokens, D] become one embedding.
        normalize: Whether embeddings are scaled to length 1.
        deterministic: Equal inputs give equal answers; only then is there a cache.
        idempotent: Running twice does no harm; only then is a batch retried on another replica.
        batch_dependent: A row's answer depends on the rows beside it, as with dynamic INT8; then there is no cache.
        batchable: Rows of several callers may be joined; found from the signature if left out.
        max_batch_size: Most rows that the model takes at once; the server's setting if left out (rows).
        clean: What is done about control and zero-width characters and text that is not NFKC.
        allow_nonfinite: Whether NaN and infinity may come in.
        allow_nan_outputs: Whether NaN may go out; else it is an error of the model.
        max_text_chars: Longest text that is taken (characters).
        description: What the model is, for people.
        licence: Licence of the weights.
        metrics: What was measured of it.
        options: Settings of the engine.
    """

    format: str = ""
    model: str = ""
    task: Task = "tensor"
    labels: list[str] = msgspec.field(default_factory=list)
    probabilities: bool = False
    tokenizer: str = ""
    max_length: int = 512
    signature: Signature | None = None
    image: ImageInput | None = None
    pooling: Literal["mean", "cls", "none"] = "mean"
    normalize: bool = True
    deterministic: bool = True
    idempotent: bool = True
    batch_dependent: bool = False
    batchable: bool | None = None
    max_batch_size: int | None = None
    clean: CleanPolicy = "refuse"
    allow_nonfinite: bool = False
    allow_nan_outputs: bool = False
    max_text_chars: int = 100_000
    description: str = ""
    licence: str = ""
    metrics: dict[str, Any] = msgspec.field(default_factory=dict)
    options: dict[str, Parameter] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a manifest that contradicts itself.

        Raises:
            BadSetting: A limit is not positive, or a task lacks what it needs.
        """
        for key in ("max_length", "max_batch_size", "max_text_chars"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise BadSetting(f"manifest '{key}'", str(value), "a whole number of at least 1")
        if self.task == "image-classification" and self.image is None:
            raise BadSetting("manifest 'image'", "nothing", "height and width, which 'image-classification' needs")


class Profile(msgspec.Struct, frozen=True):
    """What a replica reports of the model that it has loaded.

    Attributes:
        engine: Name of the engine.
        platform: The field's name of the format, for example ``onnxruntime_onnx``.
        task: What a caller sends and gets.
        signature: The served signature (of the task, not of the file).
        batchable: Whether rows of several callers are joined.
        deterministic: Whether a cache may answer.
        idempotent: Whether a lost batch is run again.
        batch_dependent: Whether a row's answer depends on the rows beside it; then no cache may answer.
        max_batch_size: The model's own limit (rows), if it has one.
        clean: The text policy.
        allow_nonfinite: Whether NaN and infinity may come in.
        max_text_chars: Longest text (characters).
        labels: Names of the classes.
        placement: What was really chosen: provider, device, threads.
        load_seconds: Time that loading took (s).
        typical_warm_up: Whether the warm-up is a typical request (then it must succeed) or just zeros.
        description: For people.
        decoupled: Answers come in parts.
        concurrency: Most answers in parts that one replica computes at once.
        explains: The model can explain its answers.
    """

    engine: str
    platform: str
    task: Task
    signature: Signature
    batchable: bool
    deterministic: bool = True
    idempotent: bool = True
    batch_dependent: bool = False
    max_batch_size: int | None = None
    clean: CleanPolicy = "refuse"
    allow_nonfinite: bool = False
    max_text_chars: int = 100_000
    labels: list[str] = msgspec.field(default_factory=list)
    placement: dict[str, Parameter] = msgspec.field(default_factory=dict)
    load_seconds: float = 0.0
    typical_warm_up: bool = False
    description: str = ""
    decoupled: bool = False
    concurrency: int = 1
    explains: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether an answer may be kept for equal requests: nothing but the request makes it what it is."""
        return self.deterministic and not self.batch_dependent and not self.decoupled


def parse_manifest(data: object, origin: str) -> Manifest:
    """Turn parsed JSON or YAML into a manifest.

    Raises:
        BadSetting: A key is unknown or a value is not allowed.
    """
    try:
        return msgspec.convert(data, Manifest)
    except msgspec.ValidationError as error:
        raise BadSetting(origin, str(error), f"the keys {', '.join(Manifest.__struct_fields__)}") from None
