"""What right and equal mean for each kind of answer, and which judge a model gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.domain.errors import BadSetting
from pumice.domain.model import Manifest
from pumice.domain.signature import Arrays, Signature, Tensor
from pumice.optimize.quality.base import Judge
from pumice.optimize.quality.choosing import Wishes, judge_for
from pumice.optimize.quality.classes import Highest, Labels, Tokens
from pumice.optimize.quality.closeness import Closeness, Tolerance
from pumice.optimize.quality.embeddings import Neighbours
from pumice.optimize.quality.own import Own
from tests.engines.arrays import texts

NAN = float("nan")
X = Tensor("x", "FP32", [-1, 4])
LOGITS = Tensor("logits", "FP32", [-1, 3])
TOKENS = Tensor("tokens", "FP32", [-1, -1, 5])
PLACES, ROWS_OF_PLACES = np.array([0, 2]), np.array([[0, 1], [2, -100]])


def near_truth(answers: Arrays, labels: np.ndarray) -> np.ndarray:
    """A metric of one's own: at most one class off."""
    return np.asarray(abs(answers["logits"].argmax(axis=1) - labels) <= 1)


def wrong_shape(answers: Arrays, labels: np.ndarray) -> np.ndarray:
    """A metric that is none."""
    return np.asarray(answers["logits"] > labels.mean())


def raising(answers: Arrays, labels: np.ndarray) -> np.ndarray:
    """A metric that fails."""
    return np.asarray(answers["missing"] == labels)


def judge(*outputs: Tensor, labels: np.ndarray | None = None, manifest: Manifest | None = None, **wishes: Any) -> Judge:
    """The judge of a model with these outputs."""
    return judge_for(Signature([X], list(outputs)), manifest or Manifest(), labels, Wishes(**wishes))


def test_a_label_is_right_or_wrong() -> None:
    own = Labels()
    base, candidate = {"label": texts("a", "b", "a")}, {"label": texts("a", "a", "b")}
    assert own.agree(base, candidate).tolist() == [True, False, False]
    assert own.right(candidate, texts("a", "b", "b")).tolist() == [True, False, True]


def test_the_highest_score_is_the_class_and_nan_is_none() -> None:
    own = Highest("y")
    base = {"y": np.array([[0.1, 0.9], [0.8, 0.2], [NAN, 1.0], [NAN, NAN]])}
    candidate = {"y": np.array([[0.4, 0.6], [0.2, 0.8], [0.0, 1.0], [1.0, NAN]])}
    assert own.agree(base, candidate).tolist() == [True, False, False, True]
    assert own.right(base, np.array([1, 1, 1, 0])).tolist() == [True, False, False, False]
    assert own.right(base, np.array([[1], [0], [1], [0]])).tolist() == [True, True, False, False]


def test_tokens_count_without_padding() -> None:
    def scores(places: list[list[int]]) -> dict[str, np.ndarray]:
        return {"tokens": np.eye(3)[np.array(places)]}

    base, candidate = scores([[0, 1, 2, 0], [1, 1, 1, 1]]), scores([[0, 1, 2, 1], [1, 1, 0, 0]])
    labels = np.array([[0, 1, -100, -100], [1, 1, 1, -100]])
    strict, most = Tokens("tokens"), Tokens("tokens", 0.5)
    assert strict.right(candidate, labels).tolist() == [True, False]
    assert most.right(candidate, labels).tolist() == [True, True]
    assert strict.agree(base, candidate).tolist() == [False, False]
    assert most.agree(base, candidate).tolist() == [True, True]
    padded = strict.among({"attention_mask": np.array([[1, 1, 1, 0], [1, 1, 1, 0]])})
    assert padded.agree(base, candidate).tolist() == [True, False]


@pytest.mark.parametrize(
    ("tolerance", "expected"), [("10%", [True, True, False, False, True]), ("0.5", [True, False, True, False, True])]
)
def test_numbers_are_close_within_a_tolerance(tolerance: str, expected: list[bool]) -> None:
    base = np.array([[3.0, 4.0], [30.0, 40.0], [0.1, 0.1], [NAN, 1.0], [NAN, np.inf]], np.float32)
    given = np.array([[3.3, 4.3], [33.0, 44.0], [0.2, 0.2], [1.0, 1.0], [NAN, np.inf]], np.float32)
    own = Closeness(["y"], Tolerance.parse(tolerance))
    assert own.agree({"y": base}, {"y": given}).tolist() == expected
    assert own.right({"y": given[:3]}, base[:3].astype(np.float64)).tolist() == expected[:3]
    assert own.right({"y": np.array([[1.0], [9.0]])}, np.array([1.01, 1.0])).tolist() == [True, False]
    assert not own.implies_right


def test_every_output_must_be_close() -> None:
    own = Closeness(["y", "name"], Tolerance())
    base = {"y": np.ones((2, 3)), "name": texts("a", "b")}
    assert own.agree(base, base | {"name": texts("a", "c")}).tolist() == [True, False]
    assert own.agree(base, base | {"y": np.array([[1, 1, 2], [1, 1, 1]])}).tolist() == [False, True]


def test_an_embedding_keeps_its_direction_and_its_best_hit() -> None:
    draw = np.random.default_rng(4)
    reference, queries = draw.normal(size=(60, 8)), draw.normal(size=(40, 8))
    turn = np.linalg.qr(draw.normal(size=(8, 8)))[0]

    def agreeing(own: Neighbours, change: np.ndarray) -> float:
        ready = own.beside({"e": reference}, {"e": reference})
        return float(ready.agree({"e": queries}, {"e": change}).mean())

    assert agreeing(Neighbours("e"), queries * 7.0) == 1.0  # the length does not matter
    assert agreeing(Neighbours("e"), queries + draw.normal(size=queries.shape) * 0.02) == 1.0
    assert agreeing(Neighbours("e"), queries @ turn) == 0.0
    assert agreeing(Neighbours("e"), np.full_like(queries, NAN)) == 0.0
    noisy = queries + draw.normal(size=queries.shape) * 0.3
    shares = [agreeing(Neighbours("e", k, -1.0), noisy) for k in (1, 3, 10)]
    assert shares[0] < shares[1] < shares[2] == 1.0
    # both spaces turned alike: the hits stay, the direction does not
    turned = Neighbours("e", cosine=-1.0).beside({"e": reference}, {"e": reference @ turn})
    assert turned.agree({"e": queries}, {"e": queries @ turn}).all()
    with pytest.raises(BadSetting, match="10 reference examples"):
        Neighbours("e").beside({"e": reference[:10]}, {"e": reference[:10]})
    with pytest.raises(BadSetting, match="no reference examples"):
        Neighbours("e").agree({"e": queries}, {"e": queries})


CHOICES: list[tuple[type[Judge], list[Tensor], np.ndarray | None, Manifest, dict[str, Any]]] = [
    (Labels, [Tensor("label", "BYTES", [-1])], texts("a"), Manifest(task="text-classification"), {}),
    (Labels, [Tensor("label", "INT64", [-1]), LOGITS], PLACES, Manifest(), {}),
    (Labels, [Tensor("label", "BYTES", [-1]), LOGITS], texts("a", "b"), Manifest(), {}),
    (Labels, [Tensor("label", "INT64", [-1]), LOGITS], None, Manifest(), {}),
    (Labels, [Tensor("class", "INT64", [-1]), LOGITS], PLACES, Manifest(), {"metric": "label", "output": "class"}),
    (Highest, [Tensor("label", "BYTES", [-1]), LOGITS], PLACES, Manifest(), {}),
    (Neighbours, [Tensor("embedding", "FP32", [-1, 8])], None, Manifest(task="text-embedding"), {}),
    (Highest, [LOGITS], PLACES, Manifest(), {}),
    (Highest, [LOGITS], None, Manifest(labels=["a", "b", "c"]), {}),
    (Highest, [LOGITS, TOKENS], PLACES, Manifest(), {"metric": "highest"}),
    (Highest, [LOGITS, Tensor("other", "FP32", [-1, 9])], PLACES, Manifest(), {"output": "logits"}),
    (Tokens, [TOKENS], ROWS_OF_PLACES, Manifest(), {}),
    (Closeness, [LOGITS], None, Manifest(), {}),
    (Closeness, [LOGITS, TOKENS], None, Manifest(), {}),
    (Closeness, [Tensor("y", "FP32", [-1, 1])], np.array([1.5, 2.0]), Manifest(), {}),
    (Closeness, [Tensor("y", "FP32", [-1, 1])], np.array([1, 2]), Manifest(), {}),
    (Closeness, [Tensor("y", "FP32", [-1])], np.array([1.5, 2.0]), Manifest(), {"tolerance": "0.1"}),
    (Neighbours, [LOGITS], None, Manifest(), {"metric": "neighbours"}),
    (Own, [LOGITS], PLACES, Manifest(), {"metric": f"{__name__}:near_truth"}),
]


@pytest.mark.parametrize(("kind", "outputs", "labels", "manifest", "wishes"), CHOICES)
def test_a_model_gets_the_judge_that_suits_it(
    kind: type[Judge],
    outputs: list[Tensor],
    labels: np.ndarray | None,
    manifest: Manifest,
    wishes: dict[str, Any],
) -> None:
    chosen = judge(*outputs, labels=labels, manifest=manifest, **wishes)
    assert type(chosen) is kind
    told = chosen.definition
    assert min(map(len, (told.agree, told.drop, told.agree_zh, told.drop_zh))) > 8
    assert told.agree.isascii()
    assert not told.agree_zh.isascii()


@pytest.mark.parametrize(
    ("outputs", "labels", "wishes", "told"),
    [
        ([LOGITS], PLACES + 1, {}, "1 to 3; allowed 0 to 2"),
        ([LOGITS], texts("a", "b"), {}, r"texts \[2\], for the metric 'tolerance'"),
        ([LOGITS], np.array([0.5, 1.0]), {}, r"float64 \[2\].*numbers of the shape of 'logits' FP32"),
        ([LOGITS, TOKENS], PLACES, {}, "the one that the labels are of: logits, tokens"),
        ([LOGITS], PLACES, {"metric": "label"}, "an output 'label'"),
        ([LOGITS], PLACES, {"metric": "tokens"}, "one output of floats with 3 axes"),
        ([LOGITS], PLACES, {"metric": "neighbours"}, "data without labels"),
        ([LOGITS], PLACES, {"metric": "best"}, "'best'; allowed auto, label"),
        ([LOGITS], PLACES, {"output": "nothing"}, "one of the model's: logits"),
        ([LOGITS], None, {"tolerance": "much"}, "a percentage such as 5%"),
        ([TOKENS], ROWS_OF_PLACES, {"tokens": 0.0}, "above 0 and at most 1"),
        ([LOGITS], None, {"metric": f"{__name__}:near_truth"}, "and no labels"),
        ([LOGITS], PLACES, {"metric": f"{__name__}:nothing"}, "which is no function of"),
        ([LOGITS], PLACES, {"metric": "no_such_module:f"}, "No module named 'no_such_module'"),
    ],
)
def test_what_does_not_suit_is_refused(
    outputs: list[Tensor], labels: np.ndarray | None, wishes: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadSetting, match=told):
        judge(*outputs, labels=labels, **wishes)


def test_a_metric_of_ones_own_says_what_is_right() -> None:
    scores = {"logits": np.eye(3)[[0, 1, 2]]}
    labels = np.array([0, 2, 0])

    def own(name: str) -> Judge:
        return judge(LOGITS, labels=labels, metric=f"{__name__}:{name}")

    assert own("near_truth").right(scores, labels).tolist() == [True, True, False]
    assert own("near_truth").agree(scores, {"logits": np.eye(3)[[0, 1, 1]]}).tolist() == [True, True, False]
    assert own("near_truth").metric == f"{__name__}:near_truth"
    with pytest.raises(BadSetting, match=r"answered bool \[3, 3\] for 3 examples"):
        own("wrong_shape").right(scores, labels)
    with pytest.raises(BadSetting, match="raised KeyError"):
        own("raising").right(scores, labels)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from(["highest", "tokens"]))
def test_the_drop_is_never_more_than_the_disagreement(seed: int, n: int, kind: str) -> None:
    draw = np.random.default_rng(seed)
    shape, labels_shape = ((n, 3), (n,)) if kind == "highest" else ((n, 4, 3), (n, 4))
    base, candidate = ({"y": draw.normal(size=shape)} for _ in range(2))
    labels = draw.integers(0, 3, labels_shape)
    own: Judge = Highest("y") if kind == "highest" else Tokens("y")
    same = own.agree(base, candidate)
    assert own.implies_right
    np.testing.assert_array_equal(own.right(base, labels)[same], own.right(candidate, labels)[same])


def test_a_metric_is_read_from_a_command_line() -> None:
    assert Wishes.parse("auto") == Wishes()
    assert Wishes.parse("tolerance=0.1@y") == Wishes(metric="tolerance", tolerance="0.1", output="y")
    assert Wishes.parse("tokens=0.9") == Wishes(metric="tokens", tokens=0.9)
    assert Wishes.parse("neighbours=5", strict_slices=True) == Wishes("neighbours", neighbours=5, strict_slices=True)
    assert Wishes.parse("my.module:right") == Wishes(metric="my.module:right")
    for text, told in (
        ("highest=3", "a value for tolerance, tokens, neighbours only"),
        ("neighbours=many", "neighbours=NUMBER"),
        ("tokens=2", "above 0 and at most 1"),
        ("bleu", "'bleu'; allowed auto"),
    ):
        with pytest.raises(BadSetting, match=told):
            Wishes.parse(text)


def test_metrics_are_found_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_metric.py").write_text("def good(answers, labels):\n    return [True] * len(labels)\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = judge(LOGITS, labels=PLACES, metric="my_metric:good")
    assert own.right({"logits": np.zeros((2, 3))}, PLACES).all()
