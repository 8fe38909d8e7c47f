"""Which judge a model gets: by its task, its outputs, the labels, and what the user wishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES, FLOATS
from pumice.domain.errors import BadSetting
from pumice.domain.model import Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.optimize.quality.base import Judge
from pumice.optimize.quality.classes import Highest, Labels, Tokens
from pumice.optimize.quality.closeness import Closeness, Tolerance
from pumice.optimize.quality.embeddings import Neighbours
from pumice.optimize.quality.own import Own, function_named

METRICS = ("auto", "label", "highest", "tokens", "tolerance", "neighbours")
"""Names of the metrics that a user may wish for, besides ``module:function``."""

_VALUES: Mapping[str, Callable[[str], str | float]] = {"tolerance": str, "tokens": float, "neighbours": int}
"""Metrics that take a value, and how it is read; each is an attribute of `Wishes` too."""

_LABEL = "label"
"""Output with the label of a classification, in served tasks and in what scikit-learn's models answer."""


class Wishes(msgspec.Struct, frozen=True):
    """What the user says of quality.

    Attributes:
        metric: One of `METRICS`, or a function of the user's own as ``module:function``.
        output: Name of the output that counts, where there are several.
        tolerance: How far numbers may be from each other: ``5%`` of the answer's length, or ``0.1`` in each number.
        tokens: Part of an example's tokens that must be right, or the same.
        neighbours: Among how many first ones the nearest neighbour of an embedding must stay.
        cosine: Least cosine of two embeddings that agree.
        strict_slices: Whether parts of the data that are too small to prove anything must pass too.
    """

    metric: str = "auto"
    output: str = ""
    tolerance: str = "5%"
    tokens: float = 1.0
    neighbours: int = 10
    cosine: float = 0.95
    strict_slices: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            BadSetting: A value is not allowed.
        """
        if self.metric not in METRICS and ":" not in self.metric:
            raise BadSetting("metric", f"'{self.metric}'", f"{', '.join(METRICS)}, or module:function")
        if not 0.0 < self.tokens <= 1.0:
            raise BadSetting("tokens", str(self.tokens), "a part above 0 and at most 1")

    @classmethod
    def parse(cls, text: str, *, strict_slices: bool = False) -> Wishes:
        """Read a metric as it stands on a command line: ``NAME[=VALUE][@OUTPUT]``.

        The value is the tolerance, the part of the tokens, or the number of neighbours: ``tolerance=1%``,
        ``tokens=0.9``, ``neighbours=5``, ``highest@probabilities``.

        Args:
            text: The metric.
            strict_slices: See the class.

        Raises:
            BadSetting: It is none, or its value is not allowed.
        """
        named, _, output = text.partition("@")
        metric, given, value = named.partition("=")
        if given and metric not in _VALUES:
            raise BadSetting("metric", f"'{text}'", f"a value for {', '.join(_VALUES)} only, such as tolerance=1%")
        try:
            values = {metric: _VALUES[metric](value)} if given else {}
        except ValueError:
            raise BadSetting("metric", f"'{text}'", f"{metric}=NUMBER") from None
        made = cls(metric=metric, output=output, strict_slices=strict_slices)
        return msgspec.structs.replace(made, **values)


def judge_for(signature: Signature, manifest: Manifest, labels: np.ndarray | None, wishes: Wishes) -> Judge:
    """Choose the judge of a model.

    Without a wish, the task decides: labels of a classification, neighbours of embeddings. Of raw tensors it is the
    output `label`, if there is one that the labels may be compared with. Else it is the place of the highest score, of
    the example or of each token, where the labels are whole numbers and the only float output has the axes for it, or
    where there are none and the manifest names as many classes. Otherwise it is numbers within a tolerance.

    Args:
        signature: What callers get, the served signature (of the task).
        manifest: The model's manifest.
        labels: The labels of the examples; None if there are none.
        wishes: What the user says.

    Returns:
        The judge. Its `definition` says what was chosen.

    Raises:
        BadSetting: The wish does not suit the model, or the labels do not suit the judge.
    """
    if ":" not in wishes.metric:
        return _Choice(signature, manifest, labels, wishes).judge()
    if labels is None:
        raise BadSetting("metric", f"'{wishes.metric}', and no labels", "data with a column 'label', which it looks at")
    task = _Choice(signature, manifest, None, msgspec.structs.replace(wishes, metric="auto")).judge()
    return Own(wishes.metric, function_named(wishes.metric)[0], task)


class _Choice:
    """What is chosen from."""

    def __init__(self, signature: Signature, manifest: Manifest, labels: np.ndarray | None, wishes: Wishes) -> None:
        self._outputs = {tensor.name: tensor for tensor in signature.outputs}
        self._task = manifest.task
        self._classes = len(manifest.labels)
        self._labels = labels
        self._wishes = wishes
        if wishes.output and wishes.output not in self._outputs:
            raise BadSetting("output", f"'{wishes.output}'", f"one of the model's: {', '.join(self._outputs)}")

    def judge(self) -> Judge:
        makers: Mapping[str, Callable[[], Judge]] = {
            "label": self._by_label,
            "highest": self._by_highest,
            "tokens": self._by_token,
            "tolerance": self._by_tolerance,
            "neighbours": self._by_neighbours,
        }
        return makers[self._metric()]()

    def _metric(self) -> str:
        if self._wishes.metric != "auto":
            return self._wishes.metric
        if self._task in ("text-classification", "image-classification"):
            return "label"
        if self._task == "text-embedding":
            return "neighbours"
        return self._metric_of_tensors(self._floats())

    def _metric_of_tensors(self, scores: list[Tensor]) -> str:
        labels = self._labels
        if not self._wishes.output and self._names_labels(_LABEL):
            return "label"
        if labels is None:
            named = self._classes and [tensor.shape[1:] for tensor in scores] == [[self._classes]]
            return "highest" if named else "tolerance"
        if labels.dtype.kind in "iu" and len(scores) == 1:
            match len(scores[0].shape):
                case 2 if labels.size == len(labels) and scores[0].shape[1] != 1:
                    return "highest"
                case 3 if labels.ndim == 2:
                    return "tokens"
        return "tolerance"

    def _by_label(self) -> Judge:
        name = self._wishes.output or _LABEL
        if name not in self._outputs or len(self._outputs[name].shape) != 1:
            raise self._unfit(f"an output '{_LABEL}' with one axis, or the name of another one")
        if not self._names_labels(name):
            raise self._no_labels(f"labels as '{name}' {self._outputs[name]} has them")
        return Labels(name)

    def _names_labels(self, name: str) -> bool:
        """Whether an output may be compared with the labels."""
        labels, output = self._labels, self._outputs.get(name)
        if output is None or len(output.shape) != 1 or output.datatype in FLOATS:
            return False
        return labels is None or (labels.ndim == 1 and (labels.dtype.kind == "O") == (output.datatype == BYTES))

    def _by_highest(self) -> Judge:
        output = self._scores(2)
        labels = self._labels
        if labels is not None:
            if labels.dtype.kind not in "iu" or labels.size != len(labels):
                raise self._no_labels("one class an example: its place, or its name if the manifest has 'labels'")
            self._check_range(labels, output.shape[1])
        return Highest(output.name)

    def _by_token(self) -> Judge:
        output = self._scores(3)
        labels = self._labels
        if labels is not None:
            if labels.dtype.kind not in "iu" or labels.ndim != 2:
                raise self._no_labels("a list of classes an example, one a token, -100 where none counts")
            self._check_range(labels[labels != -100], output.shape[2])
        return Tokens(output.name, self._wishes.tokens)

    def _by_tolerance(self) -> Judge:
        names = [self._wishes.output] if self._wishes.output else list(self._outputs)
        if self._labels is not None:
            if len(names) != 1:
                raise BadSetting("output", "none", f"the one that the labels are of: {', '.join(names)}")
            if self._labels.dtype.kind not in "iuf" or not _alike(self._outputs[names[0]], self._labels):
                raise self._no_labels(f"numbers of the shape of '{names[0]}' {self._outputs[names[0]]}")
        return Closeness(names, Tolerance.parse(self._wishes.tolerance))

    def _by_neighbours(self) -> Judge:
        if self._labels is not None:
            raise self._no_labels("data without labels, or a metric of your own (module:function)")
        return Neighbours(self._scores(2).name, self._wishes.neighbours, self._wishes.cosine)

    def _floats(self) -> list[Tensor]:
        wanted = [self._outputs[self._wishes.output]] if self._wishes.output else list(self._outputs.values())
        return [tensor for tensor in wanted if tensor.datatype in FLOATS]

    def _scores(self, axes: int) -> Tensor:
        fitting = [tensor for tensor in self._floats() if len(tensor.shape) == axes]
        if len(fitting) != 1:
            raise self._unfit(f"one output of floats with {axes} axes (name it with 'output' if there are several)")
        return fitting[0]

    def _check_range(self, labels: np.ndarray, classes: int) -> None:
        if labels.size and (labels.min() < 0 or (classes > 0 and labels.max() >= classes)):
            raise BadSetting("the column 'label'", f"{labels.min()} to {labels.max()}", f"0 to {classes - 1}")

    def _unfit(self, allowed: str) -> BadSetting:
        told = ", ".join(f"'{name}' {tensor}" for name, tensor in self._outputs.items())
        return BadSetting("metric", f"'{self._metric()}' for the outputs {told}", f"another one; it needs {allowed}")

    def _no_labels(self, allowed: str) -> BadSetting:
        labels = self._labels
        given = (
            "none" if labels is None else f"{'texts' if labels.dtype == object else labels.dtype} {list(labels.shape)}"
        )
        return BadSetting("the column 'label'", f"{given}, for the metric '{self._metric()}'", allowed)


def _alike(output: Tensor, labels: np.ndarray) -> bool:
    """Whether labels may be the truth of an output, one number for [n, 1] included."""
    own = output.shape[1:]
    given = list(labels.shape[1:])
    flat = [size for size in own if size != 1] == [size for size in given if size != 1]
    return flat or (len(own) == len(given) and all(want in (-1, size) for want, size in zip(own, given, strict=True)))
