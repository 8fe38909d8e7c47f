"""Fitting and applying one branch by gradient descent."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from data import Encoded, batches, pad
from torch import nn


@dataclass(frozen=True)
class FitConfig:
    """Settings of one fit.

    Attributes:
        epochs: Passes over the data.
        batch: Texts a step.
        rate: Highest learning rate (linear warm-up, then cosine to zero).
        decay: Weight decay of everything.
        smoothing: Label smoothing.
        average: Decay of the exponential moving average of the weights that is returned.
        seed: Seeds weights, order and dropout.
    """

    epochs: int = 6
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.05
    smoothing: float = 0.1
    average: float = 0.998
    seed: int = 0


def predict(net: nn.Module, data: Encoded, size: int = 128) -> np.ndarray:
    """Returns the log odds of the positive class, FP32 `[n]`, in the order of `data`."""
    net.eval()
    order = np.argsort([len(row) for row in data.ids], kind="stable")
    out = np.zeros(len(order), dtype=np.float32)
    with torch.inference_mode():
        for i in range(0, len(order), size):
            rows = order[i : i + size]
            out[rows] = net(pad([data.ids[j] for j in rows])).numpy()
    return out


def accuracy(odds: np.ndarray, data: Encoded) -> float:
    """Share of texts whose sign is that of their target."""
    return float(((odds > 0) == (data.targets > 0.5)).mean())


def fit(net: nn.Module, train: Encoded, config: FitConfig, watch: Encoded | None = None) -> nn.Module:
    """Trains `net` in place and returns a copy with averaged weights.

    Args:
        net: Ids `[batch, seq]` to log odds `[batch]`.
        train: Training texts; targets may be soft.
        config: Settings.
        watch: Texts whose accuracy is printed after each epoch; it steers nothing.
    """
    rng = np.random.default_rng(config.seed)
    steps = config.epochs * -(-len(train.ids) // config.batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps, pct_start=0.1)
    averaged = copy.deepcopy(net)
    started, step = time.monotonic(), 0
    for epoch in range(config.epochs):
        net.train()
        for ids, targets in batches(train, config.batch, rng):
            smooth = targets * (1 - config.smoothing) + config.smoothing / 2
            loss = nn.functional.binary_cross_entropy_with_logits(net(ids), smooth)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            _average(averaged, net, min(config.average, step / (step + 10)))
        if watch is not None:
            right, spent = accuracy(predict(averaged, watch), watch), time.monotonic() - started
            print(f"  epoch {epoch + 1}: validation {right:.4f}, {spent:.0f} s", flush=True)
    return averaged


def _average(averaged: nn.Module, net: nn.Module, decay: float) -> None:
    with torch.no_grad():
        for old, new in zip(averaged.parameters(), net.parameters(), strict=True):
            old.lerp_(new, 1 - decay)
