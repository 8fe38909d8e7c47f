"""Tokenizers and graphs of tokens, built for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from pumice.domain.model import Manifest
from pumice.engines.base import EngineConfig
from pumice.engines.onnx import OnnxEngine
from pumice.runtime.worker.tasks import Pipeline, pipeline_for
from tests.engines.graphs import node, save, tensor

WORDS = ("[PAD]", "[UNK]", "[CLS]", "good", "bad", "very", "not", "a", "b", "c")
WEIGHTS = np.array([[9, 9], [0, 0], [0.5, 0.25], [0, 2], [2, 0], [0, 1], [1, 0], [0, 0], [0, 0], [0, 0]], np.float32)
"""What each word adds to the two logits; padding would show at once."""

LABELS = ["bad", "good"]


def save_tokenizer(path: Path, *, cls: bool = True, pad: bool = True, **padding: Any) -> Path:
    """Write a tokenizer that splits at spaces."""
    names = WORDS if pad else ("<none>", *WORDS[1:])
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if cls:
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 2)])
    if padding:
        tokenizer.enable_padding(**padding)
    tokenizer.save(str(path))
    return path


def save_classifier(path: Path, batch: int | str = "batch", width: int | str = "tokens", mask: bool = True) -> Path:
    """Sum the weights of the words: input_ids, attention_mask [batch, tokens] -> logits [batch, 2].

    Without a mask the padding's weights are in the sum.
    """
    inputs = [tensor("input_ids", "INT64", [batch, width])]
    nodes = [node("Gather", ["weights", "input_ids"], ["vectors"])]
    last = "vectors"
    if mask:
        inputs.append(tensor("attention_mask", "INT64", [batch, width]))
        nodes += [
            node("Cast", ["attention_mask"], ["floats"], to=1),
            node("Unsqueeze", ["floats", "last"], ["column"]),
            node("Mul", ["vectors", "column"], ["masked"]),
        ]
        last = "masked"
    nodes.append(node("ReduceSum", [last, "one"], ["logits"], keepdims=0))
    weights = {"weights": WEIGHTS, "last": np.array([-1]), "one": np.array([1])}
    return save(path, nodes, inputs, [tensor("logits", "FP32", [batch, 2])], weights)


def save_encoder(path: Path, pooled: bool = False) -> Path:
    """Look the words up: input_ids, token_type_ids [batch, tokens] -> last_hidden_state [batch, tokens, 2]."""
    inputs = [tensor("input_ids", "INT64", ["batch", "tokens"]), tensor("token_type_ids", "INT64", ["batch", "tokens"])]
    outputs = [tensor("last_hidden_state", "FP32", ["batch", "tokens", 2])]
    nodes = [node("Gather", ["weights", "input_ids"], ["last_hidden_state"])]
    if pooled:
        outputs.append(tensor("sentence_embedding", "FP32", ["batch", 2]))
        nodes.append(node("ReduceMax", ["last_hidden_state", "one"], ["sentence_embedding"], keepdims=0))
    return save(path, nodes, inputs, outputs, {"weights": WEIGHTS, "one": np.array([1])})


def pipeline(path: Path, threads: int = 1, **manifest: Any) -> Pipeline:
    """Load a graph, and make the pipeline of its task."""
    config = EngineConfig(source=str(path), path=str(path), manifest=Manifest(**manifest), threads=threads, name="m")
    return pipeline_for(OnnxEngine(config), config)
