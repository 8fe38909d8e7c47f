"""Judges of answers that are classes: of an example, or of each token."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pumice.domain.signature import Arrays
from pumice.optimize.quality.base import Definition, Judge

IGNORED = -100
"""Label of a token that does not count, as the field writes it."""

MASK = "attention_mask"
"""Input that is 0 where a token is padding."""

_DROP = "The accuracy of the base less that of the variant, on the same examples."
_DROP_ZH = "同一批样本上, 原模型的准确率减去变体的准确率."


class Labels(Judge):
    """Answers that are labels: the label counts, not its score.

    Args:
        output: Name of the labels, [n].
    """

    metric: ClassVar[str] = "accuracy"

    def __init__(self, output: str = "label") -> None:
        self._output = output
        self.definition = Definition(
            agree="Both models give the example the same label.",
            drop=_DROP,
            agree_zh="两个模型给出相同的标签.",
            drop_zh=_DROP_ZH,
        )

    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Whether each label is the true one."""
        return np.asarray(answers[self._output] == labels, dtype=bool)

    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether both gave the same label."""
        return np.asarray(base[self._output] == candidate[self._output], dtype=bool)


class Highest(Judge):
    """Scores [n, C] of a raw model: the place of the highest one is the class.

    A row with NaN or infinity names no class: it is wrong, and agrees with another such row only.

    Args:
        output: Name of the scores.
    """

    metric: ClassVar[str] = "accuracy"

    def __init__(self, output: str) -> None:
        self._output = output
        self.definition = Definition(
            agree=f"Both models give the highest score of '{output}' to the same class.",
            drop=f"{_DROP} Labels are the places of the classes in '{output}', counted from 0.",
            agree_zh=f"两个模型在 '{output}' 中得分最高的类别相同.",
            drop_zh=f"{_DROP_ZH} 标签是类别在 '{output}' 中的序号, 从 0 起.",
        )

    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Whether the highest score is that of the label."""
        return np.asarray(best(answers[self._output]) == labels.reshape(-1))

    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether the highest score is in the same place."""
        return np.asarray(best(base[self._output]) == best(candidate[self._output]))


@dataclass
class Tokens(Judge):
    """Scores [n, T, C] of each token: an example counts by how many of its tokens do.

    Padding does not count: tokens whose label is `IGNORED`, and those whose `MASK` among the inputs is 0.

    Attributes:
        output: Name of the scores.
        share: Part of an example's tokens that must be right, or the same.
    """

    metric: ClassVar[str] = "token accuracy"
    output: str
    share: float = 1.0
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Say what it means."""
        part, part_zh = (
            ("all", "全部") if self.share == 1.0 else (f"at least {self.share:.0%}", f"至少 {self.share:.0%}")
        )
        drop = f"The part of the examples with {part} of the tokens right: that of the base less that of the variant."
        self.definition = Definition(
            agree=f"Both models give {part} of the tokens, padding left out, the same class in '{self.output}'.",
            drop=drop,
            agree_zh=f"样本中{part_zh}词元 (不计填充) 在 '{self.output}' 中的类别相同.",
            drop_zh=f"{part_zh}词元都正确的样本所占的比例: 原模型减去变体.",
        )

    def among(self, inputs: Arrays) -> Judge:
        """The same, with the padding of these examples."""
        return dataclasses.replace(self, mask=inputs.get(MASK))

    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Whether enough tokens of each example have their label."""
        return self._enough(best(answers[self.output]) == labels, labels != IGNORED)

    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether enough tokens of each example have the same class."""
        same = best(base[self.output]) == best(candidate[self.output])
        return self._enough(same, np.ones_like(same) if self.mask is None else self.mask != 0)

    def _enough(self, good: np.ndarray, counts: np.ndarray) -> np.ndarray:
        bad, all_of_them = (counts & ~good).sum(axis=1), counts.sum(axis=1)
        return np.asarray(bad <= (1.0 - self.share) * all_of_them + 1e-9)


def best(scores: np.ndarray) -> np.ndarray:
    """The place of the highest score along the last axis; -1 where a score is no number."""
    return np.where(np.isfinite(scores).all(axis=-1), scores.argmax(axis=-1), -1)
