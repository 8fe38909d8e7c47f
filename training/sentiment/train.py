r"""Trains the bundled sentiment model from the corpus and writes it as ONNX. See README.md.

Run it from the root of the repository:

    PYTHONPATH=src python training/sentiment/train.py \
        --out src/pumice/assets/sentiment --record training/sentiment/record.json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any, get_args

import export
import numpy as np
import onnxruntime as ort
import sklearn
import torch
from data import Encoded, build_tokenizer, encode
from fit import FitConfig, accuracy, fit, predict
from model import CnnBranch, CnnConfig, NgramBranch, SentimentNet
from ngrams import NgramConfig, count, fit_ngrams
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from pumice.cli.demo import corpus
from pumice.cli.demo.corpus import Split

SPLITS: tuple[Split, ...] = get_args(Split)
MAX_LENGTH = 256
TRAIN_LENGTH = 160
MIN_COUNT = 2
SEEDS = (0, 1)


def interval(right: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a share."""
    centre = (right + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(right * (1 - right) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


def baseline(texts: dict[Split, list[str]], labels: dict[Split, np.ndarray]) -> dict[str, float]:
    """Fits TF-IDF of 1- and 2-grams with logistic regression and returns its accuracies."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = LogisticRegression(C=10, max_iter=300).fit(vectorizer.fit_transform(texts["train"]), labels["train"])
    return {s: round(float(model.score(vectorizer.transform(texts[s]), labels[s])), 4) for s in SPLITS[1:]}


def stack(columns: list[np.ndarray], held_out: Encoded) -> tuple[list[float], float]:
    """Weighs the branches by a logistic regression on the validation texts: weights and bias."""
    model = LogisticRegression(C=1.0).fit(np.stack(columns, axis=1), held_out.targets > 0.5)
    return [float(w) for w in model.coef_[0]], float(model.intercept_[0])


def train_network(data: dict[Split, Encoded], vocabulary: int) -> tuple[SentimentNet, dict[str, Any]]:
    """Fits the branches on the training texts, weighs them on the validation texts.

    Returns:
        The network, and the settings with which it was made.
    """
    ngram_config, cnn_config = NgramConfig(), CnnConfig(vocabulary=vocabulary)
    train, validation = data["train"], data["validation"]
    ngrams = fit_ngrams(count(train.ids, ngram_config), train.targets > 0.5, ngram_config)
    branches: list[torch.nn.Module] = [NgramBranch(ngrams, ngram_config)]
    print(f"n-grams: validation {accuracy(predict(branches[0], validation), validation):.4f}", flush=True)
    short = Encoded([ids[:TRAIN_LENGTH] for ids in train.ids], train.targets)
    fits = [FitConfig(seed=seed) for seed in SEEDS]
    for settings in fits:
        print(f"convolutions, seed {settings.seed}", flush=True)
        torch.manual_seed(settings.seed)
        branches.append(fit(CnnBranch(cnn_config), short, settings, validation))
    weights, bias = stack([predict(branch, validation) for branch in branches], validation)
    settings_used = {
        "ngrams": dataclasses.asdict(ngram_config),
        "convolutions": dataclasses.asdict(cnn_config),
        "fits": [dataclasses.asdict(settings) for settings in fits],
        "train_length": TRAIN_LENGTH,
        "branch_weights": weights,
        "bias": bias,
    }
    return SentimentNet(branches, weights, bias), settings_used


def measure(net: SentimentNet, opened: ort.InferenceSession, data: dict[Split, Encoded]) -> dict[str, Any]:
    """Returns the manifest's metrics; the accuracies are those of the exported file."""
    right = {s: accuracy(np.diff(export.run_all(opened, data[s]))[:, 0], data[s]) for s in ("validation", "test")}
    texts = len(data["test"].ids)
    ngrams, *deep = [predict(branch, data["test"]) for branch in net.branches]
    return {
        "test_accuracy": round(right["test"], 4),
        "test_accuracy_interval_95": [round(bound, 4) for bound in interval(right["test"], texts)],
        "test_texts": texts,
        "validation_accuracy": round(right["validation"], 4),
        "test_accuracy_ngram_branch_alone": round(accuracy(ngrams, data["test"]), 4),
        "test_accuracy_convolutions_alone": round(accuracy(np.mean(deep, axis=0), data["test"]), 4),
        "parameters": sum(p.numel() for p in net.parameters()),
    }


def main() -> None:
    """Runs the whole way from the corpus to the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for model.onnx, tokenizer.json, manifest.json")
    parser.add_argument("--record", type=Path, required=True, help="file for the settings and figures of this run")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    started = time.monotonic()

    reviews = corpus.load()
    texts = {split: [r.text for r in corpus.select(reviews, split)] for split in SPLITS}
    labels = {split: np.array([r.label for r in corpus.select(reviews, split)]) for split in SPLITS}
    tokenizer = build_tokenizer(texts["train"], MIN_COUNT)
    data = {split: encode(tokenizer, texts[split], labels[split], MAX_LENGTH) for split in SPLITS}
    net, settings = train_network(data, tokenizer.get_vocab_size())

    arguments.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(arguments.out / "tokenizer.json"))
    export.write_onnx(net, arguments.out / "model.onnx")
    opened = export.session(arguments.out / "model.onnx")
    print(f"padding moves a logit by at most {export.check_rows_stand_alone(opened, data['test']):.1g}")
    metrics = measure(net, opened, data)
    metrics["baseline_tfidf_lr_accuracy"] = baseline(texts, labels)
    export.write_manifest(arguments.out / "manifest.json", MAX_LENGTH, metrics)
    record = {
        "settings": {**settings, "max_length": MAX_LENGTH, "min_count": MIN_COUNT, "threads": arguments.threads},
        "metrics": metrics,
        "libraries": {library.__name__: library.__version__ for library in (torch, np, sklearn, ort)},
        "seconds": round(time.monotonic() - started),
    }
    arguments.record.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(metrics, indent=2), f"\n{record['seconds']} s")


if __name__ == "__main__":
    main()
