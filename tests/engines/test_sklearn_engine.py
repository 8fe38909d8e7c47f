"""The sklearn engine: the conformance suite, what it answers, and whom it trusts."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from skops import io

from pumice.domain.errors import BadArtefact, BadSetting, SignatureMismatch, UnsafeArtefact
from pumice.domain.model import Manifest, Trust
from pumice.domain.signature import Signature, Tensor
from pumice.engines.conformance import Case, EngineConformance
from pumice.engines.onnx import OnnxEngine
from pumice.engines.sklearn import SklearnEngine
from tests.engines.arrays import texts
from tests.engines.graphs import config_of

DIGITS = load_digits()
X, Y = DIGITS.data[:600], DIGITS.target[:600]
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
NEWS = ["很好 good", "bad 太差", "good good", "bad bad"]


def save(path: Path, model: Any) -> Path:
    io.dump(model, path)
    return path


class TestSklearnEngine(EngineConformance):
    engine = SklearnEngine
    datatypes = frozenset({"FP64", "INT32", "INT64", "BYTES", "BOOL"})
    heavy_modules = ("sklearn", "skops", "scipy", "joblib", "threadpoolctl")

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        bad = {"x": X[:3, :5]}
        models = {
            "pipeline": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(X, Y),
            "forest": RandomForestClassifier(20, random_state=0, n_jobs=-1).fit(X, NAMES[Y]),
            "boosting": HistGradientBoostingClassifier(max_iter=5).fit(X, Y > 4),
            "vectors": SVC().fit(X, Y),
            "regression": LinearRegression().fit(X, Y),
            "several values": RandomForestRegressor(5, random_state=0).fit(X, np.stack([Y, -Y], 1)),
            "clusters": KMeans(4, random_state=0, n_init=1).fit(X),
            "components": PCA(5).fit(X),
        }
        for name, model in models.items():
            path = save(folder / f"{name}.skops", model)
            yield Case(name, config_of(path), {"x": np.ascontiguousarray(X[:5])}, bad_inputs=bad)
        reader = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(NEWS, ["+", "-", "+", "-"])
        yield Case(
            "texts",
            config_of(save(folder / "texts.skops", reader)),
            {"text": texts("good", "太差", "")},
            bad_inputs={"text": texts(b"\xff")},
        )


def test_it_answers_as_scikit_learn_does(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)).fit(X, NAMES[Y])
    rest = DIGITS.data[600:]
    engine = SklearnEngine(config_of(save(tmp_path / "m.skops", model)))
    assert str(engine.signature.outputs) == str(
        [Tensor("label", "BYTES", [-1]), Tensor("probabilities", "FP64", [-1, 10])]
    )
    answer = engine.run({"x": rest}, {})
    assert [item.decode() for item in answer["label"].tolist()] == model.predict(rest).tolist()
    assert np.array_equal(answer["probabilities"], model.predict_proba(rest))
    assert (answer["label"] == np.char.encode(NAMES[DIGITS.target[600:]]).astype(object)).mean() > 0.8
    engine.close()


def test_the_manifest_may_ask_for_less_and_for_other_numbers(tmp_path: Path) -> None:
    path = save(tmp_path / "m.skops", LogisticRegression(max_iter=500).fit(X / 16, Y))
    said = Signature([Tensor("x", "FP32", [-1, 64])], [Tensor("probabilities", "FP32", [-1, 10])])
    engine = SklearnEngine(config_of(path, Manifest(signature=said)))
    answer = engine.run({"x": (X[:3] / 16).astype(np.float32)}, {})
    assert {name: array.dtype for name, array in answer.items()} == {"probabilities": np.float32}
    for wrong in (
        Signature([Tensor("x", "BYTES", [-1, 64])], [Tensor("label", "INT64", [-1])]),
        Signature([Tensor("y", "FP64", [-1, 64])], [Tensor("label", "INT64", [-1])]),
        Signature([Tensor("x", "FP64", [-1])], [Tensor("label", "INT64", [-1])]),
    ):
        with pytest.raises(BadArtefact, match="manifest's signature"):
            SklearnEngine(config_of(path, Manifest(signature=wrong)))


def shout(items: Any) -> Any:
    return items * 2


def test_types_of_its_own_must_be_named_by_the_operator(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(shout), LinearRegression()).fit(X, Y)
    path = save(tmp_path / "m.skops", model)
    name = f"{__name__}.shout"
    with pytest.raises(UnsafeArtefact, match=rf"types of its own \(.*{name}.*trust\.types in the server's settings"):
        SklearnEngine(config_of(path))
    engine = SklearnEngine(config_of(path, trust=Trust(types=[name])))
    assert np.allclose(engine.run({"x": X[:3]}, {})["value"], model.predict(X[:3]))


def test_a_file_cannot_call_what_it_likes(tmp_path: Path) -> None:
    """A skops file that names a function of the system instead of a type."""
    marker, path = tmp_path / "marker", save(tmp_path / "m.skops", LinearRegression().fit(X, Y))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    schema |= {"__class__": "mkdir", "__module__": "os", "__loader__": "ObjectNode"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"schema.json": json.dumps(schema).encode()}).items():
            archive.writestr(name, content)
    with pytest.raises(UnsafeArtefact, match=r"posix\.mkdir|os\.mkdir"):
        SklearnEngine(config_of(path))
    assert not marker.exists()


def test_what_cannot_be_served(tmp_path: Path) -> None:
    frame_like = ColumnTransformer([("a", OneHotEncoder(), ["colour"])])
    for model, problem in (
        (LinearRegression(), "does not say how many features"),
        (frame_like, "does not say how many features|cannot be run on an array"),
        ([1, 2], "neither 'predict' nor 'transform'"),
    ):
        with pytest.raises(BadArtefact, match=problem):
            SklearnEngine(config_of(save(tmp_path / "m.skops", model)))
    path = save(tmp_path / "good.skops", LinearRegression().fit(X, Y))
    with pytest.raises(BadSetting, match="no options"):
        SklearnEngine(config_of(path, Manifest(options={"dtype": "fp16"})))
    with pytest.raises(BadSetting, match="scikit-learn computes on the processor"):
        SklearnEngine(config_of(path, provider="cuda"))
    (tmp_path / "bad.skops").write_bytes(path.read_bytes()[:500])
    with pytest.raises((BadArtefact, UnsafeArtefact), match=r"bad\.skops"):
        SklearnEngine(config_of(tmp_path / "bad.skops"))
    with zipfile.ZipFile(tmp_path / "strange.skops", "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(BadArtefact, match="skops cannot load it"):
        SklearnEngine(config_of(tmp_path / "strange.skops"))


def test_texts_must_be_utf8(tmp_path: Path) -> None:
    reader = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(NEWS, [1, 0, 1, 0])
    engine = SklearnEngine(config_of(save(tmp_path / "m.skops", reader)))
    assert engine.run({"text": texts("good", "bad")}, {})["label"].tolist() == [1, 0]
    with pytest.raises(SignatureMismatch, match=r"'text'\[1\].*not UTF-8"):
        engine.run({"text": texts("good", b"\xff")}, {})


def test_through_skl2onnx_the_onnx_engine_gives_the_same(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(X.astype(np.float32), Y)
    converted = to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})
    (tmp_path / "m.onnx").write_bytes(converted.SerializeToString())
    engine = OnnxEngine(config_of(tmp_path / "m.onnx"))
    rest = DIGITS.data[600:].astype(np.float32)
    answer = engine.run({"X": rest}, {})
    assert engine.traits.batchable
    assert np.array_equal(answer["label"], model.predict(rest))
    assert np.allclose(answer["probabilities"], model.predict_proba(rest), atol=1e-5)
