"""Examples become what the model's file takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pumice.cli.demo.optimizing import BUNDLED
from pumice.domain.errors import BadSetting
from pumice.optimize.passes.base import ModelFolder, Supplies
from pumice.optimize.passes.int8_static import Int8Static
from pumice.optimize.raw_inputs import raw_batches

TEXTS = ["这家酒店很干净", "太差了，再也不来", "书很好看", "电池一天就坏了，客服也不理人，非常失望"] * 6


def test_texts_are_tokenized_by_the_task_and_calibrate(tmp_path: Path) -> None:
    model = ModelFolder.read(BUNDLED)
    texts = np.array([text.encode() for text in TEXTS], dtype=object)
    batches = raw_batches(model, {"text": texts}, rows=8)
    seen = list(batches())
    assert [{name: array.dtype.kind for name, array in batch.items()} for batch in seen] == [
        dict.fromkeys(seen[0], "i")
    ] * len(seen)
    assert sum(len(next(iter(batch.values()))) for batch in seen) == len(TEXTS)
    assert len({array.shape for batch in seen for array in batch.values()}) > 1  # of more than one length
    assert [len(batch) for batch in batches()] == [len(batch) for batch in seen]  # from the first one each time
    lighter = Int8Static.of({"op_types": ["MatMul", "Gemm"], "calibration": "entropy"}).apply(
        model, tmp_path / "int8", Supplies(calibration=batches)
    )
    assert lighter.size_bytes < model.size_bytes
    with pytest.raises(BadSetting, match="given words; allowed what the model takes: text"):
        raw_batches(model, {"words": texts})
