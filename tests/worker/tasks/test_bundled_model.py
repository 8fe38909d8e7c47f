"""The bundled sentiment model in the pipeline that serves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pumice
from pumice.engines.base import EngineConfig
from pumice.engines.registry import load_engine
from pumice.engines.source import resolve_source
from pumice.runtime.worker.tasks import Pipeline, pipeline_for
from tests.engines.arrays import texts

FOLDER = Path(pumice.__file__).parent / "assets" / "sentiment"


@pytest.fixture(scope="module")
def sentiment() -> Pipeline:
    path, manifest = resolve_source(str(FOLDER))
    config = EngineConfig(source=str(FOLDER), path=str(path), manifest=manifest)
    return pipeline_for(load_engine(config), config)


def test_it_tells_good_from_bad(sentiment: Pipeline) -> None:
    answer = sentiment.run({"text": texts("很好，下次还会来", "太差了，再也不来了")}, {})
    assert answer["label"].tolist() == [b"positive", b"negative"]
    assert (answer["score"] > 0.9).all()


def test_a_texts_answer_does_not_hang_on_its_neighbours(sentiment: Pipeline) -> None:
    given = ["", "好", "房间很干净，" * 3, "服务太差。" * 20, "这本书一般，" * 60, "不错", "a" * 300]
    together = sentiment.run({"text": texts(*given)}, {})["scores"]
    for row, text in enumerate(given):
        alone = sentiment.run({"text": texts(text)}, {})["scores"][0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5)
