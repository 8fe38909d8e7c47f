"""The judge of numbers: close enough, by a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.signature import Arrays
from pumice.optimize.quality.base import Definition, Judge


class Tolerance(msgspec.Struct, frozen=True):
    """How far two answers may be from each other.

    Attributes:
        size: How far: the largest difference of a number, or the part of the answer's length (Euclidean).
        relative: Which of the two.
    """

    size: float = 0.05
    relative: bool = True

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read ``5%`` (relative) or ``0.1`` (absolute).

        Raises:
            BadSetting: It is neither.
        """
        try:
            relative = text.strip().endswith("%")
            size = float(text.strip().removesuffix("%")) / (100 if relative else 1)
        except ValueError:
            size = -1.0
        if not 0.0 <= size < float("inf"):
            raise BadSetting("tolerance", repr(text), "a number such as 0.1 (absolute), or a percentage such as 5%")
        return cls(size, relative)

    def keeps(self, reference: np.ndarray, given: np.ndarray) -> np.ndarray:
        """Whether each answer is close enough to its reference, bool [n].

        What is not finite must be the same in both.

        Args:
            reference: Numbers [n, ...].
            given: As many.
        """
        first, second = (array.reshape(len(array), -1).astype(np.float64) for array in (reference, given))
        finite = np.isfinite(first) & np.isfinite(second)
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        with np.errstate(invalid="ignore"):
            apart = np.where(finite, np.abs(first - second), 0.0)
        if self.relative:
            length = np.linalg.norm(np.where(finite, first, 0.0), axis=1)
            close = np.linalg.norm(apart, axis=1) <= self.size * length
        else:
            close = (apart <= self.size).all(axis=1)
        return np.asarray(close & (finite | same).all(axis=1))

    def __str__(self) -> str:
        return f"{self.size * 100:g} %" if self.relative else f"{self.size:g}"


class Closeness(Judge):
    """Regression and raw tensors: answers are right, or the same, within a tolerance.

    Two answers that are close to each other may still lie on two sides of the tolerance around the truth; so
    agreement says nothing of a drop where there are labels.

    Args:
        outputs: Names of the outputs that are compared; of the first of them the labels are the truth.
        tolerance: How far they may be from each other.
    """

    metric: ClassVar[str] = "within tolerance"
    implies_right: ClassVar[bool] = False

    def __init__(self, outputs: Sequence[str], tolerance: Tolerance) -> None:
        self._outputs = list(outputs)
        self._tolerance = tolerance
        names = ", ".join(f"'{name}'" for name in outputs)
        if tolerance.relative:
            how = f"differs by at most {tolerance} of its length (Euclidean)"
            how_zh = f"之差的欧氏长度不超过其长度的 {tolerance}"
        else:
            how, how_zh = f"differs by at most {tolerance} in each number", f"的每个数相差不超过 {tolerance}"
        self.definition = Definition(
            agree=f"The variant's answer ({names}) {how} from the base's.",
            drop=f"The part of the examples whose answer {how} from the truth: the base's less the variant's.",
            agree_zh=f"变体的输出 ({names}) 与原模型的输出{how_zh}.",
            drop_zh=f"输出与真实值{how_zh}的样本所占的比例: 原模型减去变体.",
        )

    def right(self, answers: Arrays, labels: np.ndarray) -> np.ndarray:
        """Whether each answer is close enough to the truth."""
        return self._tolerance.keeps(labels, answers[self._outputs[0]])

    def agree(self, base: Arrays, candidate: Arrays) -> np.ndarray:
        """Whether the answers are close enough to each other, in every output."""
        return np.asarray(np.all([self._close(base[name], candidate[name]) for name in self._outputs], axis=0))

    def _close(self, base: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        if base.dtype.kind in "fiu":
            return self._tolerance.keeps(base, candidate)
        return np.asarray((base == candidate).reshape(len(base), -1).all(axis=1), dtype=bool)
