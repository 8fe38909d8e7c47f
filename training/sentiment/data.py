"""From texts to batches: the tokenizer, encoded texts and length-sorted mini-batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

PAD, UNK = 0, 1


def build_tokenizer(texts: Sequence[str], min_count: int) -> Tokenizer:
    """Builds the character tokenizer from training texts.

    Args:
        texts: The training texts.
        min_count: Characters seen less often than this become `[UNK]`.

    Returns:
        A tokenizer: NFKC, lower case, white space collapsed; one token a character.
    """
    normaliser = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    counts = Counter(char for text in texts for char in normaliser.normalize_str(text))
    kept = sorted((char for char, n in counts.items() if n >= min_count), key=lambda char: (-counts[char], char))
    vocabulary = {"[PAD]": PAD, "[UNK]": UNK, **{char: i for i, char in enumerate(kept, start=2)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normaliser
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    return tokenizer


@dataclass(frozen=True)
class Encoded:
    """Texts as token ids with targets.

    Attributes:
        ids: One id array a text, cut to the model's maximal length.
        targets: FP32 `[n]`, the probability of the positive class for each text.
    """

    ids: list[np.ndarray]
    targets: np.ndarray

    def take(self, rows: np.ndarray) -> Encoded:
        """Returns the given rows."""
        return Encoded([self.ids[i] for i in rows], self.targets[rows])


def encode(tokenizer: Tokenizer, texts: Sequence[str], labels: np.ndarray, max_length: int) -> Encoded:
    """Encodes texts; `labels` are 0 or 1, or probabilities."""
    ids = [np.asarray(e.ids[:max_length], dtype=np.int64) for e in tokenizer.encode_batch(list(texts))]
    return Encoded(ids, labels.astype(np.float32))


def pad(rows: Sequence[np.ndarray]) -> torch.Tensor:
    """Pads id arrays on the right to the longest of them: INT64 `[len(rows), longest]`."""
    out = np.zeros((len(rows), max(len(row) for row in rows)), dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out)


def batches(data: Encoded, size: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yields shuffled mini-batches of texts of similar length, `(ids, targets)`."""
    lengths = np.array([len(row) for row in data.ids])
    order = np.argsort(lengths * rng.uniform(0.85, 1.15, len(lengths)), kind="stable")
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    for i in rng.permutation(len(chunks)):
        rows = chunks[i]
        yield pad([data.ids[j] for j in rows]), torch.from_numpy(data.targets[rows])
