"""The contract of a judge: it turns answers into truth values, example by example."""

from __future__ import annotations

import abc
from typing import ClassVar

import msgspec
import numpy as np

from pumice.domain.signature import Arrays


class Definition(msgspec.Struct, frozen=True):
    """What a judge's figures mean, for people; printed and reported beside them.

    Attributes:
        agree: When two models agree on an example, in English.
        drop: What the drop is, in English.
        agree_zh: The same as ``agree`` in Chinese.
        drop_zh: The same as ``drop`` in Chinese.
    """

    agree: str
    drop: str
    agree_zh: str
    drop_zh: str


class Judge(abc.ABC):
    """Says of each example whether an answer is right, and whether two answers are the same.

    Whatever the task, the drop in the metric is at most the rate of disagreement: where two models agree on an
    example, either both are right or both are wrong. A judge whose ``agree`` does not imply that must say so by
    `implies_right` being False; then a variant is never certified by disagreement alone where there are labels.

    Attributes:
        metric: Name of the metric in reports, such as ``accuracy``.
        definition: What it means.
        implies_right: Whether agreeing answers are always both right or both wrong.
    """

    metric: ClassVar[str]
    implies_right: ClassVar[bool] = True
    definition: Definition

    def learn(self, reference: Arrays) -> None:  # noqa: B027 - most judges learn nothing
        """Take in the base's answers to examples that are not judged, where the judge compares with such.

        Args:
            reference: Answers of the base to reference examples, [m, ...] each.
        """

    def learn_candidate(self, reference: Arrays) -> Judge:
        """The judge of one candidate, which has answered the reference examples too; itself, if it learns nothing."""
        return self

    @abc.abstractmethod
    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Whether each answer is right, bool [n].

        Args:
            answers: Outputs of a model, [n, ...] each.
            labels: The true answers, [n, ...].
        """

    @abc.abstractmethod
    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether each pair of answers is the same for the task's purpose, bool [n].

        Args:
            base: Outputs of the base, [n, ...] each.
            candidate: Outputs of the candidate on the same examples.
        """
