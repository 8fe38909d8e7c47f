"""From a Hugging Face directory to ONNX."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pumice.domain.errors import BadArtefact, MissingDependency
from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays
from pumice.engines.torch.program import import_torch
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.export.check import refuse_different
from pumice.optimize.passes.export.describe import Described, describe
from pumice.optimize.passes.export.options import ExportOptions

_INSTALL = "pip install 'pumice[transformers]'"
_SHAPES = ((2, 8), (1, 5), (3, 17))
"""Rows and tokens of the inputs that are tried; the first ones are traced."""


def export_directory(source: ModelFolder, target: Path, options: ExportOptions, seed: int) -> Manifest:
    """Write a model of `transformers` as ONNX, with a manifest for its task.

    It is traced with plain ("eager") attention, whose graph the optimizers know; rows are padded in the trial, so that
    a mask that the trace lost shows.

    Raises:
        BadArtefact: It cannot be exported, or answers otherwise afterwards.
        MissingDependency: torch or transformers is not installed.
    """
    torch = import_torch()
    try:
        import transformers
    except ImportError:
        raise MissingDependency("the export of Hugging Face directories", "transformers", _INSTALL) from None
    library: Any = transformers
    library.utils.logging.disable_progress_bar()
    folder = source.model
    described = describe(folder, options.task)
    model = _loaded(library, folder, described)
    wrapped = _wrapper(torch, model, described)
    trials = list(_trials(described, model.config, np.random.default_rng(seed)))
    names = list(trials[0])
    axes = {0: "batch"} if described.pixels else {0: "batch", 1: "tokens"}
    torch.onnx.export(
        wrapped,
        tuple(torch.from_numpy(trials[0][name]) for name in names),
        str(target),
        input_names=names,
        output_names=[described.output],
        dynamic_axes=dict.fromkeys(names, axes)
        | {described.output: {0: "batch", 1: "tokens"} if described.output == "last_hidden_state" else {0: "batch"}},
        opset_version=options.opset,
        dynamo=False,
    )

    def ask(batch: Arrays) -> Arrays:
        with torch.inference_mode():
            answer = wrapped(*(torch.from_numpy(batch[name]) for name in names))
        return {described.output: answer.numpy()}

    refuse_different(folder, target, ask, trials, options.tolerance)
    if described.manifest.tokenizer:
        shutil.copyfile(folder / described.manifest.tokenizer, target.parent / described.manifest.tokenizer)
    return described.manifest


def _loaded(transformers: Any, folder: Path, described: Described) -> Any:
    kind = getattr(transformers, described.auto_class)
    try:
        model = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager",
        )
    except (OSError, ValueError, KeyError) as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise BadArtefact(
            str(folder), f"transformers cannot load it: {line[:300]}", "save it as safetensors"
        ) from error
    return model.float().eval()


def _wrapper(torch: Any, model: Any, described: Described) -> Any:
    """A module that takes and gives plain tensors."""

    class Plain(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, first: Any, mask: Any = None) -> Any:
            if described.pixels:
                return self.model(pixel_values=first)[described.output]
            return self.model(input_ids=first, attention_mask=mask)[described.output]

    return Plain().eval()


def _trials(described: Described, config: Any, random: np.random.Generator) -> Iterator[dict[str, np.ndarray]]:
    """Inputs of several shapes; the last row of each batch of texts is padded."""
    for rows, tokens in _SHAPES:
        if described.pixels:
            yield {"pixel_values": random.normal(size=(rows, *described.pixels)).astype(np.float32)}
            continue
        mask = np.ones((rows, tokens), np.int64)
        mask[-1, tokens // 2 + 1 :] = 0
        ids = random.integers(0, config.vocab_size, (rows, tokens))
        pad = getattr(config, "pad_token_id", None) or 0
        yield {"input_ids": np.where(mask == 1, ids, pad), "attention_mask": mask}
