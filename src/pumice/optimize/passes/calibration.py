"""Ranges of activations, found by running a model on typical inputs.

Source: ONNX Runtime's calibrators. They are fed batch by batch: given all at once, they would keep every activation
of all batches in memory, and could not join batches of different shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    seen = 0
    for batch in (supplies.calibration or tuple)():
        _check(batch, expected)
        calibrator.collect_data(_One(batch))
        seen += 1
        supplies.tell(seen, 0)
    if not seen:
        raise BadSetting("calibration inputs", "no batch", "at least one; some hundred rows are usual")
    library.save_tensors_data(calibrator.compute_data(), model.parent / RANGES)


class _One:
    """One batch, in the form in which calibrators read."""

    def __init__(self, batch: Arrays) -> None:
        self._batches: Iterator[dict[str, np.ndarray]] = iter((dict(batch),))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def _check(batch: Arrays, expected: dict[str, str]) -> None:
    missing = [name for name in expected if name not in batch]
    extra = [name for name in batch if name not in expected]
    if missing or extra:
        given = f"tensors {', '.join(sorted(batch))}"
        raise BadSetting("calibration inputs", given, f"those of the model's file: {', '.join(sorted(expected))}")


def _say_nothing(*_words: Any, **_how: Any) -> None:
    pass
