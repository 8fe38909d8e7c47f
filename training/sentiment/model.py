"""The network: character n-gram embeddings, residual convolutions written as matrix products, three poolings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data import PAD, UNK


@dataclass(frozen=True)
class NetConfig:
    """Sizes of the network.

    Attributes:
        vocabulary: Number of token ids.
        char_dim: Width of a character's embedding.
        bigram_buckets: Rows of the hashed bigram table.
        bigram_dim: Width of a bigram's embedding.
        trigram_buckets: Rows of the hashed trigram table.
        trigram_dim: Width of a trigram's embedding.
        width: Channels of the convolutions.
        dilations: One residual block for each.
        dropout: Of embeddings' channels, of blocks and (by half more) before the head.
        token_dropout: Share of characters and of n-grams that a training step hides.
    """

    vocabulary: int
    char_dim: int = 64
    bigram_buckets: int = 24000
    bigram_dim: int = 48
    trigram_buckets: int = 24000
    trigram_dim: int = 32
    width: int = 128
    dilations: tuple[int, ...] = (1, 2)
    dropout: float = 0.3
    token_dropout: float = 0.1


def shift(x: Tensor, by: int) -> Tensor:
    """Moves `[batch, seq, ...]` by `by` places along the sequence (right if positive), filling with zeros."""
    if by == 0:
        return x
    tail = (0, 0) * (x.dim() - 2)
    if by > 0:
        return F.pad(x, (*tail, by, 0))[:, : x.shape[1]]
    return F.pad(x, (*tail, 0, -by))[:, -by:]


class Block(nn.Module):
    """A residual convolution of width 3. Written as shifts and one matrix product, which quantizes well."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(3 * width, width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`x` FP32 `[batch, seq, width]`, `mask` FP32 `[batch, seq, 1]`."""
        y = self.norm(x) * mask
        y = torch.cat([shift(y, self.dilation), y, shift(y, -self.dilation)], dim=-1)
        return x + self.dropout(self.out(F.gelu(self.mix(y), approximate="tanh")))


class SentimentNet(nn.Module):
    """Token ids `[batch, seq]` (0 is padding) to logits `[batch, 2]`; a row never sees its neighbours or its padding."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.chars = nn.Embedding(config.vocabulary, config.char_dim)
        self.bigrams = nn.Embedding(config.bigram_buckets, config.bigram_dim)
        self.trigrams = nn.Embedding(config.trigram_buckets, config.trigram_dim)
        for table in (self.chars, self.bigrams, self.trigrams):
            nn.init.normal_(table.weight, std=0.1)
        total = config.char_dim + config.bigram_dim + config.trigram_dim
        self.enter = nn.Linear(total, config.width)
        self.blocks = nn.ModuleList(Block(config.width, d, config.dropout) for d in config.dilations)
        self.norm = nn.LayerNorm(config.width)
        self.score = nn.Linear(config.width, 1)
        self.head = nn.Linear(2 * config.width + total, 2)
        self.dropout = nn.Dropout(config.dropout)
        self.head_dropout = nn.Dropout(min(0.9, config.dropout * 1.5))

    def embed(self, ids: Tensor) -> Tensor:
        """Returns the concatenated embeddings of each character, of the bigram and of the trigram that end in it."""
        one, two = shift(ids, 1), shift(ids, 2)
        bigram = (one * 8191 + ids) % self.config.bigram_buckets
        trigram = (two * 131071 + one * 8191 + ids) % self.config.trigram_buckets
        parts = [self.chars(self._hide(ids)), self.bigrams(bigram), self.trigrams(trigram)]
        if self.training and self.config.token_dropout:
            keep = 1 - self.config.token_dropout
            parts[1:] = [p * (torch.rand(*ids.shape, 1) < keep) / keep for p in parts[1:]]
        return torch.cat(parts, dim=-1)

    def features(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns embeddings, contextual states and mask, each `[batch, seq, .]`."""
        mask = (ids != PAD).to(torch.float32).unsqueeze(-1)
        embedded = self.embed(ids) * mask
        x = self.enter(self.dropout(embedded))
        for block in self.blocks:
            x = block(x, mask)
        return embedded, self.norm(x), mask

    def forward(self, ids: Tensor) -> Tensor:
        """Returns the logits."""
        embedded, x, mask = self.features(ids)
        away = (mask - 1) * 1e4
        attention = torch.softmax(self.score(x) + away, dim=1)
        highest = (x + away).amax(dim=1)
        bag = embedded.sum(dim=1) / (mask.sum(dim=1) + 1e-6).sqrt()
        pooled = torch.cat([highest, (attention * x).sum(dim=1), bag], dim=-1)
        return self.head(self.head_dropout(pooled))

    def _hide(self, ids: Tensor) -> Tensor:
        if not (self.training and self.config.token_dropout):
            return ids
        hidden = (torch.rand(ids.shape) < self.config.token_dropout) & (ids != PAD)
        return torch.where(hidden, torch.full_like(ids, UNK), ids)
