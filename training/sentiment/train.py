"""Trains the bundled sentiment model from the corpus and writes it as ONNX. See README.md.

    PYTHONPATH=src python training/sentiment/train.py --out src/pumice/assets/sentiment
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import export
from data import Encoded, build_tokenizer, encode
from fit import FitConfig, accuracy, fit, predict
from model import CnnBranch, CnnConfig, NgramBranch, SentimentNet
from ngrams import NgramConfig, count, fit_ngrams
from pumice.cli.demo import corpus

MAX_LENGTH = 256
TRAIN_LENGTH = 160
MIN_COUNT = 2
SEEDS = (0, 1)


def interval(right: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a share."""
    centre = (right + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(right * (1 - right) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


def baseline(texts: dict[str, list[str]], labels: dict[str, np.ndarray]) -> dict[str, float]:
    """Fits TF-IDF of 1- and 2-grams with logistic regression and returns its accuracies."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = LogisticRegression(C=10, max_iter=300).fit(vectorizer.fit_transform(texts["train"]), labels["train"])
    return {s: float(model.score(vectorizer.transform(texts[s]), labels[s])) for s in ("validation", "test")}


def stack(columns: list[np.ndarray], held_out: Encoded) -> tuple[list[float], float]:
    """Weighs the branches by a logistic regression on the validation texts: weights and bias."""
    model = LogisticRegression(C=1.0).fit(np.stack(columns, axis=1), held_out.targets > 0.5)
    return [float(w) for w in model.coef_[0]], float(model.intercept_[0])


def main() -> None:
    """Runs the whole way from the corpus to the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for model.onnx, tokenizer.json, manifest.json")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    started = time.monotonic()

    reviews = corpus.load()
    texts = {split: [r.text for r in corpus.select(reviews, split)] for split in ("train", "validation", "test")}
    labels = {split: np.array([r.label for r in corpus.select(reviews, split)]) for split in texts}
    tokenizer = build_tokenizer(texts["train"], MIN_COUNT)
    data = {split: encode(tokenizer, texts[split], labels[split], MAX_LENGTH) for split in texts}
    short = encode(tokenizer, texts["train"], labels["train"], TRAIN_LENGTH)

    ngram_config = NgramConfig()
    ngrams = fit_ngrams(count(data["train"].ids, ngram_config), labels["train"], ngram_config)
    branches: list[torch.nn.Module] = [NgramBranch(ngrams, ngram_config)]
    print(f"n-grams: validation {accuracy(predict(branches[0], data['validation']), data['validation']):.4f}")

    cnn_config = CnnConfig(vocabulary=tokenizer.get_vocab_size())
    for seed in SEEDS:
        torch.manual_seed(seed)
        settings = FitConfig(seed=seed)
        print(f"convolutions, seed {seed}", flush=True)
        branches.append(fit(CnnBranch(cnn_config), short, settings, data["validation"]))
    weights, bias = stack([predict(branch, data["validation"]) for branch in branches], data["validation"])
    net = SentimentNet(branches, weights, bias)

    arguments.out.mkdir(parents=True, exist_ok=True)
    export.write_onnx(net, arguments.out / "model.onnx")
    tokenizer.save(str(arguments.out / "tokenizer.json"))
    opened = export.session(arguments.out / "model.onnx")
    measured = {
        split: accuracy(np.diff(export.run_all(opened, data[split]))[:, 0], data[split])
        for split in ("validation", "test")
    }
    low, high = interval(measured["test"], len(labels["test"]))
    metrics = {
        "test_accuracy": round(measured["test"], 4),
        "test_accuracy_interval_95": [round(low, 4), round(high, 4)],
        "test_texts": len(labels["test"]),
        "validation_accuracy": round(measured["validation"], 4),
        "baseline_tfidf_lr_accuracy": {k: round(v, 4) for k, v in baseline(texts, labels).items()},
        "parameters": sum(p.numel() for p in net.parameters()),
    }
    export.write_manifest(arguments.out / "manifest.json", MAX_LENGTH, metrics)
    print(f"padding moves a logit by at most {export.check_rows_stand_alone(opened, data['test']):.1g}")
    record = {"ngrams": dataclasses.asdict(ngram_config), "branch_weights": weights, "bias": bias, **metrics}
    print(json.dumps(record, indent=2), f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
