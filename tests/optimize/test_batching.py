"""Batches as in serving, and models whose rows do not keep to themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.int8_dynamic import Int8Dynamic
from pumice.optimize.quality.batching import answers_in, batch_dependence, serving_batches
from pumice.optimize.quality.classes import Highest
from tests.engines.graphs import mlp


def test_batches_cover_everything_once_in_any_company() -> None:
    batches = list(serving_batches(1000, (3, 1), 16))
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert {len(batch) for batch in batches[:-1]} == set(range(1, 17))
    assert [batch.tolist() for batch in serving_batches(1000, (3, 1), 16)] == [batch.tolist() for batch in batches]
    assert [batch.tolist() for batch in serving_batches(1000, (3, 2), 16)] != [batch.tolist() for batch in batches]
    assert list(serving_batches(0, (1,), 4)) == []


def test_answers_come_back_in_the_order_of_the_examples() -> None:
    inputs = {"x": np.arange(100)}
    back = answers_in(lambda batch: {"y": batch["x"] * 2}, inputs, list(serving_batches(100, (5,), 7)))
    assert back["y"].tolist() == list(range(0, 200, 2))


def test_dynamic_int8_depends_on_its_mates_and_fp32_does_not(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    base = ModelFolder(mlp(tmp_path / "base" / "model.onnx").parent, Manifest(format="onnx", model="model.onnx"))
    inputs = {"x": np.random.default_rng(3).normal(size=(64, 16)).astype(np.float32)}
    inputs["x"][::9] *= 20  # some rows are louder than others: the batch's scale is theirs
    exact, lighter = (
        batch_dependence(Measured(folder, threads=1).run, inputs, Highest("y"), (1,), 16)
        for folder in (base, Int8Dynamic().apply(base, tmp_path / "int8"))
    )
    assert not exact.dependent
    assert exact.moved < 1e-5
    assert exact.decisions == 0.0
    assert lighter.dependent
    assert lighter.moved > 0.01
    assert lighter.decisions > 0.0
    assert lighter.n == 64


def test_a_leak_between_rows_is_found() -> None:
    def leaking(batch: Arrays) -> Arrays:
        return {"y": batch["x"] + 0.05 * batch["x"].mean(axis=0)}

    inputs = {"x": np.random.default_rng(3).normal(size=(64, 4))}
    assert batch_dependence(leaking, inputs, Highest("y"), (1,), 8).dependent
    # who takes one row at a time has no mates
    assert not batch_dependence(leaking, inputs, Highest("y"), (1,), 1).dependent
