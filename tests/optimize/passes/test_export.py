"""Torch programs and Hugging Face directories become ONNX that answers the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from torch.export import Dim

from pumice.domain.errors import BadArtefact
from pumice.domain.model import ImageInput
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.conformance import Case, PassConformance, load_raw
from pumice.optimize.passes.export import Export
from pumice.optimize.passes.sameness import output_error
from tests.engines.programs import BATCH, Encoder, Mlp, export
from tests.optimize.passes.directories import WORDS, bert, vision


def tokens(rows: int) -> dict[str, np.ndarray]:
    ids = np.random.default_rng(0).integers(2, len(WORDS), (rows, 6))
    mask = np.ones_like(ids)
    mask[-1, 3:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


class TestExport(PassConformance):
    kind = Export
    changes = frozenset({"format", "model", "options", "task", "labels", "tokenizer", "max_length"})

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        place = bert(folder / "bert")
        model = transformers.AutoModelForSequenceClassification.from_pretrained(place).eval()
        inputs = tokens(4)
        with torch.inference_mode():
            answer = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}).logits.numpy()
        yield Case("bert", ModelFolder.find(str(place)), inputs, expected={"logits": answer}, tolerance=1e-4)

    @pytest.mark.long  # two more processes that import torch and transformers
    def test_killed_half_way_it_leaves_no_half_model(self) -> None:
        super().test_killed_half_way_it_leaves_no_half_model()


def test_a_classifier_of_texts_is_served_as_it_is(tmp_path: Path) -> None:
    made = Export().apply(ModelFolder.find(str(bert(tmp_path / "bert"))), tmp_path / "onnx")
    assert made.manifest.labels == ["negative", "positive"]
    assert (made.manifest.max_length, made.manifest.tokenizer) == (64, "tokenizer.json")
    answers = Measured(made, threads=1).run({"text": np.array([b"the book was good", b"bad"], dtype=object)})
    assert set(answers["label"]) <= {b"negative", b"positive"}


def test_embeddings_and_images_bring_their_way_of_reading_along(tmp_path: Path) -> None:
    place = bert(tmp_path / "bert", "BertModel")
    modules = [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "1_Pooling"}]
    (place / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (place / "1_Pooling").mkdir()
    (place / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', encoding="utf-8")
    made = Export().apply(ModelFolder.find(str(place)), tmp_path / "embedding")
    assert (made.manifest.task, made.manifest.pooling, made.manifest.normalize) == ("text-embedding", "cls", False)
    (tensor,) = load_raw(made).signature.outputs
    assert tensor.shape == [-1, -1, 16]
    made = Export().apply(ModelFolder.find(str(vision(tmp_path / "vit"))), tmp_path / "image")
    assert made.manifest.image == ImageInput(height=16, width=16, mean=[0.5, 0.4, 0.3], std=[0.2, 0.2, 0.2], crop=False)
    assert made.manifest.labels == ["cat", "dog", "owl"]
    assert [tensor.shape for tensor in load_raw(made).signature.inputs] == [[-1, 3, 16, 16]]


def test_a_small_program_is_exported(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    file = export(tmp_path / "program" / "model.pt2", Mlp(), (torch.ones(2, 16),), {"x": {0: BATCH}})
    source = ModelFolder.find(str(file))
    old, new = load_raw(source), load_raw(Export().apply(source, tmp_path / "onnx"))
    assert new.signature == old.signature
    inputs = {"x": np.random.default_rng(1).normal(size=(7, 16)).astype(np.float32)}
    assert output_error([old.run(inputs, {})], [new.run(inputs, {})]) < 1e-5


@pytest.mark.long  # torch takes its time over attention
def test_a_program_keeps_its_names_and_free_axes(tmp_path: Path) -> None:
    length = Dim("length", min=2, max=32)
    free = {0: BATCH, 1: length}
    example = (torch.ones(2, 5, dtype=torch.int64),)
    (tmp_path / "program").mkdir()
    file = export(tmp_path / "program" / "model.pt2", Encoder(), example, {"ids": free, "mask": free}, mask=example[0])
    source = ModelFolder.find(str(file))
    made = Export().apply(source, tmp_path / "onnx")
    assert (made.manifest.format, made.manifest.model) == ("onnx", "model.onnx")
    old, new = load_raw(source), load_raw(made)
    assert [tensor.name for tensor in new.signature.outputs] == [tensor.name for tensor in old.signature.outputs]
    inputs = {"ids": np.random.default_rng(1).integers(0, 100, (7, 11)), "mask": np.ones((7, 11), np.int64)}
    inputs["mask"][3, 4:] = 0
    assert output_error([old.run(inputs, {})], [new.run(inputs, {})]) < 1e-4


class Noise(nn.Module):
    """Adds noise that no export can repeat."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


def test_what_answers_otherwise_afterwards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    file = export(tmp_path / "program" / "model.pt2", Noise(), (torch.ones(2, 4),), {"x": {0: BATCH}})
    with pytest.raises(BadArtefact, match=r"to the inputs 'x' \[1, 4\] are off by"):
        Export().apply(ModelFolder.find(str(file)), tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"auto_map": {"AutoModel": "mine.Model"}}, "Python code of its own"),
        ("config.json", {"architectures": ["LlamaForCausalLM"]}, "'LlamaForCausalLM'; the tasks text-classification"),
        ("tokenizer.json", None, "no tokenizer.json"),
        ("model.safetensors", None, "transformers cannot load it"),
    ],
)
def test_what_cannot_be_exported_is_told(tmp_path: Path, file: str, change: dict[str, Any] | None, words: str) -> None:
    place = bert(tmp_path / "bert")
    if change is None:
        (place / file).unlink()
    else:
        (place / file).write_text(json.dumps(json.loads((place / file).read_text()) | change), encoding="utf-8")
    with pytest.raises(BadArtefact, match=words):
        Export().apply(ModelFolder.find(str(place)), tmp_path / "onnx")
