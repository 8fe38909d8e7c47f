"""What a proof says of a candidate, from real answers in serving-like batches."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pumice.domain.evidence.family import shared
from pumice.optimize.examples import Examples
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.quality.batching import answers_in, serving_batches
from pumice.optimize.quality.classes import Highest
from pumice.optimize.quality.evidence import Claim, Proof
from tests.optimize.sabotage.candidates import MARGIN, Candidate
from tests.optimize.sabotage.networks import base

CONTENDERS = 20
"""Candidates among which would be chosen: the error is shared among so many."""

LARGEST = 32
BLOCK = 256


@dataclass(frozen=True)
class Judged:
    """Truth values of all examples."""

    agree: np.ndarray
    base_right: np.ndarray
    candidate_right: np.ndarray
    slices: np.ndarray

    def drop(self, rows: np.ndarray | None = None) -> float:
        """How much accuracy is lost, on all or some."""
        lost = self.base_right.astype(int) - self.candidate_right
        return float((lost if rows is None else lost[rows]).mean())

    def worst_drop(self) -> float:
        """The same, of the whole or of the slice on which it is most."""
        return max(self.drop(), *(self.drop(self.slices == name) for name in np.unique(self.slices.astype(str))))

    def blocks(self, order: np.ndarray) -> Iterator[Judged]:
        """In this order, block by block."""
        for start in range(0, len(order), BLOCK):
            rows = order[start : start + BLOCK]
            yield Judged(self.agree[rows], self.base_right[rows], self.candidate_right[rows], self.slices[rows])


def answers(folder: ModelFolder, examples: Examples, seed: int) -> dict[str, np.ndarray]:
    """A model's answers in the company that serving would give."""
    batches = list(serving_batches(len(examples), (seed,), LARGEST))
    return answers_in(Measured(folder, threads=1).run, examples.inputs, batches)


@functools.cache
def base_answers(kind: str, seed: int) -> dict[str, np.ndarray]:
    """A base's answers to all its examples."""
    own = base(kind, seed)
    with tempfile.TemporaryDirectory() as folder:
        return answers(own.network.write(Path(folder) / "base"), own.examples, seed)


def judged(candidate: Candidate, folder: Path, seed: int) -> Judged:
    """Let base and candidate answer, and judge them."""
    examples = base(candidate.kind, seed).examples
    assert examples.labels is not None
    assert examples.slices is not None
    judge = Highest("logits")
    first = base_answers(candidate.kind, seed)
    second = answers(candidate.write(folder / "candidate", seed), examples, seed)
    return Judged(
        judge.agree(first, second),
        judge.right(first, examples.labels),
        judge.right(second, examples.labels),
        examples.slices,
    )


def proven(seen: Judged, seed: int, *, labelled: bool = True) -> Proof:
    """Feed a proof in a random order."""
    alpha = shared(0.05, CONTENDERS)[0]
    sizes = dict(zip(*np.unique(seen.slices.astype(str), return_counts=True), strict=True))
    proof = Proof("accuracy", Claim(MARGIN, alpha, labelled), sizes)
    for block in seen.blocks(np.random.default_rng(seed).permutation(len(seen.agree))):
        proof.update(block)
    return proof
