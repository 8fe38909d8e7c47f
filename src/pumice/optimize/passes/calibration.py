"""Ranges of activations, found by running a model on typical inputs.

Source: ONNX Runtime's calibrators. Those that make histograms are fed batch by batch: given all at once, they would
keep every activation of all batches in memory, and could not join batches of different shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from pumice.domain.errors import BadSetting
from pumice.domain.signature import Arrays
from pumice.optimize.passes.base import Supplies

Calibration = Literal["minmax", "entropy", "percentile"]

METHODS: Mapping[str, str] = MappingProxyType({"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"})
"""The ways by their names in ONNX Runtime."""

RANGES = "ranges.json"
"""The file beside a model in which the ranges of its activations are."""


def calibrate(model: Path, ops: Sequence[str], method: Calibration, percentile: float, supplies: Supplies) -> None:
    """Run a prepared model on the calibration inputs and note the range of each activation.

    Args:
        model: The model's file; `RANGES` is written beside it, as `onnxruntime.quantization.quantize_static` reads it.
        ops: Operators whose inputs and outputs matter.
        method: ``minmax`` takes the extremes, ``entropy`` the range that keeps the distribution (Kullback-Leibler),
            ``percentile`` cuts the outermost values off.
        percentile: Part of the values that ``percentile`` keeps (percent).
        supplies: The inputs.

    Raises:
        BadSetting: There are no inputs, or they are not what the model takes.
    """
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization import calibrate as library

    library.print = _say_nothing  # the collectors print a line a batch
    kind = CalibrationMethod[METHODS[method]]
    more = {"percentile": percentile, "symmetric": False} if method == "percentile" else {}
    augmented = str(model.parent / "augmented.onnx")
    calibrator = library.create_calibrator(model, list(ops), augmented, kind, extra_options=more)
    expected = {taken.name: taken.type for taken in calibrator.infer_session.get_inputs()}
    reader = _Reader(supplies, expected)
    if method == "minmax":
        calibrator.collect_data(reader)  # keeps two numbers of each activation and batch
    else:
        while reader.more:
            calibrator.collect_data(_One(reader))
    if not reader.seen:
        raise BadSetting("calibration inputs", "no batch", "at least one; some hundred rows are usual")
    library.save_tensors_data(calibrator.compute_data(), model.parent / RANGES)


class _Reader:
    """Batches in the form in which calibrators read."""

    def __init__(self, supplies: Supplies, expected: dict[str, str]) -> None:
        self._batches = iter((supplies.calibration or tuple)())
        self._expected, self._tell = expected, supplies.tell
        self._next = next(self._batches, None)
        self.seen = 0

    @property
    def more(self) -> bool:
        return self._next is not None

    def get_next(self) -> dict[str, np.ndarray] | None:
        if self._next is None:
            return None
        batch = dict(self._next)
        _check(batch, self._expected)
        self.seen += 1
        self._tell(self.seen, 0)
        self._next = next(self._batches, None)
        return batch


class _One:
    """The next batch alone."""

    def __init__(self, reader: _Reader) -> None:
        self._reader: _Reader | None = reader

    def get_next(self) -> dict[str, np.ndarray] | None:
        reader, self._reader = self._reader, None
        return reader.get_next() if reader else None


def _check(batch: Arrays, expected: dict[str, str]) -> None:
    missing = [name for name in expected if name not in batch]
    extra = [name for name in batch if name not in expected]
    if missing or extra:
        given = f"tensors {', '.join(sorted(batch))}"
        raise BadSetting("calibration inputs", given, f"those of the model's file: {', '.join(sorted(expected))}")


def _say_nothing(*_words: Any, **_how: Any) -> None:
    pass
