"""Writing the bundled model: ONNX graph, tokenizer and manifest, each checked as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from data import Encoded, pad
from torch import nn

OPSET = 17
MAX_BYTES = 12_000_000
MAX_DIFFERENCE = 1e-4


def write_onnx(net: nn.Module, path: Path) -> None:
    """Exports `net` with dynamic batch and sequence axes."""
    net.eval()
    example = torch.randint(2, 50, (2, 7))
    axes = {"input_ids": {0: "batch", 1: "seq"}, "logits": {0: "batch"}}
    torch.onnx.export(
        net,
        (example,),
        str(path),
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(path))
    model.producer_name, model.producer_version = "pumice training/sentiment", ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    if path.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes; at most {MAX_BYTES} are allowed: shrink the tables")


def session(path: Path, threads: int = 1) -> ort.InferenceSession:
    """Opens an ONNX file on the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(opened: ort.InferenceSession, ids: np.ndarray) -> np.ndarray:
    """Returns the logits of padded ids."""
    return np.asarray(opened.run(["logits"], {"input_ids": ids})[0])


def run_all(opened: ort.InferenceSession, data: Encoded, size: int = 32) -> np.ndarray:
    """Returns the logits of all texts, batched by length, in the order of `data`."""
    order = np.argsort([len(row) for row in data.ids], kind="stable")
    out = np.zeros((len(order), 2), dtype=np.float32)
    for i in range(0, len(order), size):
        rows = order[i : i + size]
        out[rows] = run(opened, pad([data.ids[j] for j in rows]).numpy())
    return out


def check_rows_stand_alone(opened: ort.InferenceSession, data: Encoded, rows: int = 64) -> float:
    """Returns the greatest change of a logit when texts are batched and padded instead of run alone.

    Raises:
        SystemExit: It exceeds `MAX_DIFFERENCE`.
    """
    texts = data.ids[:rows]
    alone = np.concatenate([run(opened, row[None]) for row in texts])
    longest = max(len(row) for row in texts)
    ids = np.zeros((len(texts), longest + 37), dtype=np.int64)
    for i, row in enumerate(texts):
        ids[i, : len(row)] = row
    difference = float(np.abs(run(opened, ids) - alone).max())
    if difference > MAX_DIFFERENCE:
        raise SystemExit(f"padding moves a logit by {difference:.2g}; at most {MAX_DIFFERENCE:.0e} is allowed")
    return difference


def write_manifest(path: Path, max_length: int, metrics: dict[str, Any]) -> None:
    """Writes the manifest that the server and the demo read."""
    manifest = {
        "format": "onnx",
        "model": "model.onnx",
        "task": "text-classification",
        "labels": ["negative", "positive"],
        "tokenizer": "tokenizer.json",
        "max_length": max_length,
        "description": "Sentiment of Chinese reviews (books, hotels, computers and the like), character n-gram network",
        "licence": "Apache-2.0 (weights); training texts: see README.md",
        "metrics": metrics,
    }
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
