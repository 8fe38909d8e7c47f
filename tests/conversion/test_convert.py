"""Files that may run code become files that do not, and what they hold stays what it was."""

from __future__ import annotations

import hashlib
import json
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pumice import Store
from pumice.domain.errors import BadArtefact, BadSetting, UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.engines.base import EngineConfig
from pumice.engines.sklearn import SklearnEngine
from pumice.runtime.confined import missing
from pumice.service.conversion import Conversion, ConvertWish, convert
from tests.cli.command import pumice
from tests.conversion.hostile import Run, line_of
from tests.support.disguises import DISGUISES

pytestmark = pytest.mark.skipif(bool(missing()), reason="this system cannot enforce the sandbox")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("PUMICE_HOME", str(folder))
    return folder


def converted(source: Path, out: Path | None = None, wish: ConvertWish | None = None) -> Conversion:
    return convert(source, out, wish or ConvertWish(), lambda _done, _total: None)


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    whole = torch.randn(4, 4)
    return {
        "whole": whole,
        "tied": whole,
        "part": whole[1:3],
        "turned": whole.t(),
        "half": torch.randn(3).half(),
        "nan": torch.tensor([float("nan"), -0.0]),
        "scalar": torch.tensor(3),
    }


def same(file: Path, state: dict[str, torch.Tensor]) -> bool:
    found = load_file(file)
    return found.keys() == state.keys() and all(
        tensor.dtype == found[name].dtype
        and tensor.shape == found[name].shape
        and tensor.contiguous().numpy().tobytes() == found[name].numpy().tobytes()
        for name, tensor in state.items()
    )


def test_a_checkpoint_becomes_its_weights_and_is_pushed_with_its_origin(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "model.pt"
    torch.save({"state_dict": weights(), "epoch": 3, "optimizer": {"lr": 0.1}}, file)
    done = pumice("models", "convert", str(file), "--push", "m", "--json", environ={"PUMICE_HOME": str(home)})
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["notes"] == ["left out beside 'state_dict': epoch, optimizer"]
    assert told["checked"] == "7 tensors, equal bit by bit"
    assert told["enforced"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "model.pt"]
    with Store(home) as store:
        recipe = store.show("m@1").manifest.recipe["converted"]
        assert recipe["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert recipe["from"] == "model.pt"
        store.pull("m@1", tmp_path / "out")
    assert same(tmp_path / "out" / "model.safetensors", weights())


def test_a_hugging_face_folder_keeps_its_other_files(tmp_path: Path) -> None:
    folder, state = tmp_path / "net", weights()
    (folder / "tokenizer").mkdir(parents=True)
    names = sorted(state)
    parts = {"pytorch_model-00001-of-00002.bin": names[:3], "pytorch_model-00002-of-00002.bin": names[3:]}
    for part, held in parts.items():
        torch.save({name: state[name] for name in held}, folder / part, _use_new_zipfile_serialization=False)
    index = {"weight_map": {name: part for part, held in parts.items() for name in held}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "modeling.Net"}}')
    (folder / "tokenizer" / "vocab.txt").write_text("a\n")
    torch.save({"lr": 0.1}, folder / "training_args.bin")
    found = converted(folder)
    out = tmp_path / "net-safetensors"
    assert found.files == [
        *("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        *("model.safetensors.index.json", "tokenizer/vocab.txt"),
    ]
    assert found.notes == ["left out: training_args.bin, a file of torch.save, which is a pickle"]
    assert same(out / "model-00001-of-00002.safetensors", {name: state[name] for name in names[:3]})
    told = json.loads((out / "model.safetensors.index.json").read_text())
    assert told["weight_map"][names[-1]] == "model-00002-of-00002.safetensors"


def test_whole_modules_need_consent_and_then_run_in_the_sandbox(tmp_path: Path, listening: int) -> None:
    """The module's reading makes attacks, and tells in a tensor's name what came of them."""
    file, marker, key = tmp_path / "model.pt", tmp_path / "marker", tmp_path / "home" / "key"
    key.parent.mkdir()
    key.write_text("secret")
    tries: dict[str, list[object]] = {
        "write": [str(marker)],
        "read": [str(key)],
        "connect": [listening],
        "fork": [],
        "chmod": [str(file), 0o777],
    }
    line = f"{{str({line_of(tries)}): __import__('torch').zeros(1)}}"
    torch.save(Run(line), file)
    with pytest.raises(UnsafeArtefact, match="--run-code"):
        converted(file)
    assert list(tmp_path.glob("*.safetensors")) == list(tmp_path.glob(".*")) == []
    converted(file, wish=ConvertWish(run_code=True))
    (told,) = load_file(tmp_path / "model.safetensors")
    assert told == str(dict.fromkeys(tries, "PermissionError"))
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_of_torchscript_only_the_weights_are_taken(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    torch.jit.script(module).save(str(tmp_path / "model.pt"))  # type: ignore[no-untyped-call]
    with pytest.raises(UnsafeArtefact, match=r"OUT\.safetensors"):
        converted(tmp_path / "model.pt")
    found = converted(tmp_path / "model.pt", tmp_path / "weights.safetensors")
    assert found.notes == ["the code of the TorchScript is not in the file: only its weights are"]
    assert same(tmp_path / "weights.safetensors", module.state_dict())


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_estimators_answer_as_before(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    rows = random.normal(size=(60, 4))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows[:, 0] > 0)
    joblib.dump(model, tmp_path / "model.joblib", compress=3)
    found = converted(tmp_path / "model.joblib")
    assert "64 random rows: equal" in found.checked
    path = str(tmp_path / "model.skops")
    engine = SklearnEngine(EngineConfig(source=path, path=path, manifest=Manifest()))
    assert np.array_equal(engine.run({"x": rows}, {})["probabilities"], model.predict_proba(rows))


def test_an_estimator_becomes_onnx_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = np.random.default_rng(7).normal(size=(60, 4))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(rows, rows[:, 0] > 0)))
    found = converted(tmp_path / "model.pkl", tmp_path / "model.onnx")
    assert (
        found.checked == "predict, predict_proba on 64 random rows: figures equal within 0.0001, labels in at least 95%"
    )
    words = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good words", "bad things"], [0, 1])
    (tmp_path / "words.pkl").write_bytes(pickle.dumps(words))
    with pytest.raises(BadArtefact, match=r"how many numbers.*\.skops"):
        converted(tmp_path / "words.pkl", tmp_path / "words.onnx")


def test_arrays_of_numbers_and_texts_become_plain(tmp_path: Path) -> None:
    arrays = {
        "numbers": np.array([[1, 2], [3, 4]], object),
        "mixed": np.array([1, 2.5, float("nan")], object),
        "texts": np.array(["a", "bcd"], object),
        "plain": np.ones(3, np.float32),
    }
    np.savez(tmp_path / "many.npz", **arrays)  # type: ignore[arg-type]
    found = converted(tmp_path / "many.npz")
    with np.load(found.out, allow_pickle=False) as loaded:
        kinds = {name: loaded[name].dtype.str for name in loaded.files}
        assert loaded["numbers"].tolist() == [[1, 2], [3, 4]]
    assert kinds == {"numbers": "<i8", "mixed": "<f8", "texts": "<U3", "plain": "<f4"}
    for name, array, problem in (
        ("odd", np.array([1, "a"], object), "no plain array holds"),
        ("large", np.array([2**70], object), "64 bits"),
        ("lists", np.array([[1], [2, 3]], object), "no plain array holds"),
    ):
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        with pytest.raises(BadArtefact, match=problem):
            converted(tmp_path / f"{name}.npy")
    (tmp_path / "trap.npy").write_bytes(DISGUISES["object array"](tmp_path / "marker"))
    with pytest.raises(UnsafeArtefact, match="only code can make"):
        converted(tmp_path / "trap.npy")
    assert not (tmp_path / "marker").exists()


def test_what_cannot_be_converted_is_told_with_the_way(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for name, content, out, problem in (
        ("script.pt", DISGUISES["TorchScript"](marker), None, r"torch\.export\.save.*OUT\.safetensors"),
        ("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), None, "Keras.*tf2onnx"),
        ("model.zst", b"\x28\xb5\x2f\xfd" + bytes(100), None, "unpack it yourself"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnsafeArtefact, match=problem):
            converted(tmp_path / name, out)
    (tmp_path / "safe.txt").write_text("words\n")
    with pytest.raises(BadArtefact, match="nothing in it runs code"):
        converted(tmp_path / "safe.txt")
    with pytest.raises(BadArtefact, match=r"neither pytorch_model\.bin"):
        converted(tmp_path)
    (tmp_path / "model.npy").write_bytes(DISGUISES["object array"](marker))
    with pytest.raises(BadSetting, match=r"ends with \.npy"):
        converted(tmp_path / "model.npy", tmp_path / "model.skops")
    (tmp_path / "model.plain.npy").write_text("mine")
    with pytest.raises(BadArtefact, match="there already"):
        converted(tmp_path / "model.npy")
    for words in (("convert", str(tmp_path / "model.h5")), ("convert", str(tmp_path / "absent.pt"))):
        assert pumice("models", *words).returncode == 2


def test_a_system_without_the_sandbox_is_told_and_must_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "model.npy", np.array([1, 2], object), allow_pickle=True)
    monkeypatch.setattr("pumice.runtime.worker.sandbox.landlock.version", lambda: 0)
    with pytest.raises(BadSetting, match=r"Landlock.*--unconfined"):
        converted(tmp_path / "model.npy")
    assert converted(tmp_path / "model.npy", wish=ConvertWish(unconfined=True)).enforced == []
