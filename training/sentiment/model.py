"""The network: a wide part over hashed character n-grams and deep parts, convolutions over characters, added up.

All of it is gathers, matrix products and sums, which ONNX Runtime runs and quantizes well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from data import PAD, UNK
from ngrams import PRIMES, SCRAMBLE, STEP, NgramConfig, NgramModel
from torch import Tensor, nn

FAR = 1e4


@dataclass(frozen=True)
class CnnConfig:
    """Sizes of one convolutional branch.

    Attributes:
        vocabulary: Number of token ids.
        dim: Width of a character's embedding.
        filters: Filters of each window.
        windows: Characters that a filter sees.
        dropout: Share of pooled features that a training step hides.
        token_dropout: Share of characters that a training step replaces by the unknown one.
    """

    vocabulary: int
    dim: int = 96
    filters: int = 80
    windows: tuple[int, ...] = (1, 2, 3, 4, 5)
    dropout: float = 0.5
    token_dropout: float = 0.15


def mask_of(ids: Tensor) -> Tensor:
    """Returns FP32 `[batch, seq, 1]`: 1 at tokens, 0 at padding."""
    return (ids != PAD).to(torch.float32).unsqueeze(-1)


def with_lead(ids: Tensor, places: int) -> Tensor:
    """Puts `places` padding ids before each row, so that windows may reach back over the start of a text."""
    return torch.cat([ids.new_zeros(ids.shape[0], places), ids], dim=1)


def moved(x: Tensor, by: int, lead: int) -> Tensor:
    """Returns, of `[batch, lead + seq, ...]`, what stands `by` places before each token: `[batch, seq, ...]`."""
    return x[:, lead - by : -by or None]


class CnnBranch(nn.Module):
    """Characters, convolutions of several widths, the maximum over the text: ids `[batch, seq]` to `[batch]`.

    The convolutions are written as shifts and matrix products.
    """

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        self.config = config
        self.chars = nn.Embedding(config.vocabulary, config.dim)
        nn.init.normal_(self.chars.weight, std=0.1)
        self.filters = nn.ModuleList(nn.Linear(config.dim * window, config.filters) for window in config.windows)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.filters * len(config.windows), 1)

    def forward(self, ids: Tensor) -> Tensor:
        """Returns the log odds of the positive class."""
        lead = max(self.config.windows) - 1
        led = with_lead(ids, lead)
        x = self.chars(self._hide(led)) * mask_of(led)
        places = [moved(x, by, lead) for by in range(lead + 1)]
        away = (mask_of(ids) - 1) * FAR
        pooled = [
            (layer(torch.cat(places[:window], dim=-1)) + away).amax(dim=1).relu()
            for window, layer in zip(self.config.windows, self.filters, strict=True)
        ]
        return self.head(self.dropout(torch.cat(pooled, dim=-1))).squeeze(-1)

    def _hide(self, ids: Tensor) -> Tensor:
        if not self.training:
            return ids
        hidden = (torch.rand(ids.shape) < self.config.token_dropout) & (ids != PAD)
        return torch.where(hidden, torch.full_like(ids, UNK), ids)


class NgramBranch(nn.Module):
    """The fitted n-gram regression inside the graph: ids `[batch, seq]` to log odds `[batch]`.

    The table holds the weights' cube roots, and the graph cubes them: most weights are a thousand times smaller than
    the greatest, and an eight-bit table with one scale would round them all to zero.
    """

    def __init__(self, model: NgramModel, config: NgramConfig) -> None:
        super().__init__()
        self.config = config
        self.bias = model.bias
        self.roots = nn.Embedding.from_pretrained(torch.from_numpy(np.cbrt(model.weight))[:, None])

    def forward(self, ids: Tensor) -> Tensor:
        """Returns the log odds of the positive class."""
        lead = self.config.orders - 1
        led = with_lead(ids, lead)
        key, buckets = torch.zeros_like(ids), []
        for order, prime in enumerate(PRIMES[: self.config.orders]):
            key = key + moved(led, order, lead) * prime
            buckets.append((key * SCRAMBLE + order * STEP) % self.config.buckets)
        mask = mask_of(ids).squeeze(-1)
        roots = self.roots(torch.stack(buckets, dim=-1))
        weights = (roots * roots * roots).sum(dim=(2, 3))
        number = mask.sum(dim=1) * self.config.orders
        return (weights * mask).sum(dim=1) / (number + 1e-6).sqrt() + self.bias


class SentimentNet(nn.Module):
    """Token ids `[batch, seq]` (0 is padding) to logits `[batch, 2]`.

    No row sees its neighbours or its padding.
    """

    def __init__(self, branches: list[nn.Module], weights: list[float], bias: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.weights = weights
        self.bias = bias

    def forward(self, ids: Tensor) -> Tensor:
        """Returns logits of which the difference is the weighted sum of the branches' log odds."""
        odds = sum(weight * branch(ids) for weight, branch in zip(self.weights, self.branches, strict=True)) + self.bias
        return torch.stack([-odds / 2, odds / 2], dim=-1)
