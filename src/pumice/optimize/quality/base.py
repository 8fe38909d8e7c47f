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
        needs_reference: Whether `beside` must be called with answers to reference examples first.
    """

    metric: ClassVar[str]
    implies_right: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = False
    definition: Definition

    def beside(self, base: Arrays, candidate: Arrays) -> Judge:  # noqa: ARG002 - most judges need no reference
        """The judge of one candidate: itself, unless it compares with reference examples.

        Args:
            base: The base's answers to the reference examples, which are not judged, [m, ...] each.
            candidate: The candidate's answers to them.
        """
        return self

    def among(self, inputs: Arrays) -> Judge:  # noqa: ARG002 - most judges look at answers alone
        """The judge of some examples: itself, unless what counts in an answer depends on the inputs (padding).

        Args:
            inputs: The inputs of the examples that are judged next, [n, ...] each.
        """
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
