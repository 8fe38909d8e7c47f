"""Fitting and applying one network."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from data import Encoded, batches, pad


@dataclass(frozen=True)
class FitConfig:
    """Settings of one fit.

    Attributes:
        epochs: Passes over the data.
        batch: Texts a step.
        rate: Highest learning rate (linear warm-up, then cosine to zero).
        embedding_decay: Weight decay of everything.
        smoothing: Label smoothing.
        average: Decay of the exponential moving average of the weights that is returned.
        seed: Seeds weights, order and dropout.
    """

    epochs: int = 8
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.05
    smoothing: float = 0.1
    average: float = 0.998
    seed: int = 0


def accuracy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Share of rows whose highest logit is their highest target."""
    return float((logits.argmax(1) == targets.argmax(1)).mean())


def predict(net: nn.Module, data: Encoded, size: int = 128) -> np.ndarray:
    """Returns logits FP32 `[n, 2]`, in the order of `data`."""
    net.eval()
    order = np.argsort([len(row) for row in data.ids], kind="stable")
    out = np.zeros((len(order), 2), dtype=np.float32)
    with torch.inference_mode():
        for i in range(0, len(order), size):
            rows = order[i : i + size]
            out[rows] = net(pad([data.ids[j] for j in rows])).numpy()
    return out


def fit(net: nn.Module, train: Encoded, config: FitConfig, watch: Encoded | None = None) -> nn.Module:
    """Trains `net` in place and returns a copy with averaged weights.

    Args:
        net: The network.
        train: Training texts; targets may be soft.
        config: Settings.
        watch: Texts whose accuracy is printed after each epoch; it steers nothing.
    """
    rng = np.random.default_rng(config.seed)
    steps = config.epochs * -(-len(train.ids) // config.batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps, pct_start=0.1)
    averaged = copy.deepcopy(net)
    started, step = time.monotonic(), 0
    for epoch in range(config.epochs):
        net.train()
        for ids, targets in batches(train, config.batch, rng):
            loss = nn.functional.cross_entropy(net(ids), targets, label_smoothing=config.smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            _average(averaged, net, min(config.average, step / (step + 10)))
        if watch is not None:
            right = accuracy(predict(averaged, watch), watch.targets)
            print(f"  epoch {epoch + 1}: watched {right:.4f}, {time.monotonic() - started:.0f} s", flush=True)
    return averaged


def _average(averaged: nn.Module, net: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for old, new in zip(averaged.parameters(), net.parameters(), strict=True):
            old.lerp_(new, 1 - decay)
