"""A Python model is stored as its source code, and runs as that code wherever it is served."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pumice import Store
from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.engines.base import EngineConfig
from pumice.engines.python import PythonEngine
from tests.support.server import RunningServer
from tests.support.wire import infer, output

MODEL = """
from pumice import Model, Signature, Tensor
from helper_of_scale import FACTOR

class Scale(Model):
    signature = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("y", "FP32", [-1, 4])])

    def predict(self, inputs):
        return {"y": inputs["x"] * FACTOR}
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model, a helper, and much that is no part of it."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "scale_model.py").write_text(MODEL)
    (folder / "helper_of_scale.py").write_text("import numpy\nimport json\nFACTOR = 2\n")
    (folder / "unrelated.py").write_text("raise RuntimeError\n")
    (folder / ".env").write_text("TOKEN=secret\n")
    (folder / "requirements.txt").write_text("numpy>=2\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path) -> Iterator[None]:
    """The models' own modules are forgotten behind a test."""
    finders, paths = list(sys.meta_path), list(sys.path)
    yield
    sys.meta_path[:], sys.path[:] = finders, paths
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def answer(folder: Path, reference: str = "scale_model:Scale") -> float:
    manifest = Manifest(format="python", model=reference)
    engine = PythonEngine(EngineConfig(source="m@1", path=str(folder), manifest=manifest))
    return float(engine.run({"x": np.ones((1, 4), np.float32)}, {})["y"][0, 0])


def paths_of(store: Store, ref: str) -> list[str]:
    return [file.path for file in store.show(ref).manifest.files]


def test_the_module_goes_in_with_what_it_imports_and_nothing_else(store: Store, workplace: Path) -> None:
    record = store.push("scale_model:Scale", "m")
    assert paths_of(store, "m") == ["helper_of_scale.py", "manifest.json", "requirements.txt", "scale_model.py"]
    manifest = store.show("m").manifest
    assert (record.format, manifest.entry, manifest.spec.model) == ("python", "", "scale_model:Scale")
    assert manifest.tensors == {"input x": "FP32 [-1, 4]", "output y": "FP32 [-1, 4]"}
    assert manifest.environment["numpy"] == np.__version__
    assert manifest.environment["source"].startswith("sha256:")
    assert store.push("scale_model:Scale", "m").digest == record.digest, "equal code is an equal version"
    (workplace / "helper_of_scale.py").write_text("FACTOR = 3\n")
    store.push("scale_model:Scale", "m")
    changed = store.diff("m@1", "m@3")
    assert list(changed.changed) == ["helper_of_scale.py"]
    before, after = changed.origin["environment"].before, changed.origin["environment"].after
    assert before["source"] != after["source"]


def test_two_versions_of_one_module_are_served_side_by_side(store: Store, workplace: Path, home: Path) -> None:
    store.push("scale_model:Scale", "m")
    (workplace / "helper_of_scale.py").write_text("FACTOR = 3\n")
    store.push("scale_model:Scale", "m")
    (workplace / "helper_of_scale.py").write_text("FACTOR = 5\n")
    with RunningServer("one=m@1", "two=m@2", home=home, cwd=workplace) as server:
        told = [output(infer(server.url, name, np.ones(4))) for name in ("one", "two")]
    assert told == [[2] * 4, [3] * 4], "the working directory's code is another by now"


def test_two_versions_of_one_module_live_in_one_process(store: Store, workplace: Path, tmp_path: Path) -> None:
    store.push("scale_model:Scale", "m")
    (workplace / "helper_of_scale.py").write_text("FACTOR = 3\n")
    store.push("scale_model:Scale", "m")
    for version in (1, 2):
        store.pull(f"m@{version}", tmp_path / str(version))
    assert [answer(tmp_path / str(version)) for version in (1, 2, 1)] == [2, 3, 2]


def test_a_package_goes_in_whole_with_its_data(store: Store, workplace: Path, tmp_path: Path) -> None:
    package = workplace / "scale_package"
    (package / "inner" / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/words.txt", ".env", "inner/__pycache__/x.pyc", ".hidden"):
        (package / name).write_text("")
    (package / "inner" / "model.py").write_text("from ..factor import F\n" + MODEL.replace("* FACTOR", "* F"))
    (package / "factor.py").write_text("F = 7\n")
    store.push("scale_package.inner.model:Scale", "m")
    inside = [path for path in paths_of(store, "m") if path.startswith("scale_package/")]
    assert [path.removeprefix("scale_package/") for path in inside] == [
        *("__init__.py", "factor.py", "inner/__init__.py", "inner/model.py", "inner/words.txt"),
    ]
    store.pull("m", tmp_path / "out")
    (package / "factor.py").write_text("F = 8\n")
    assert answer(tmp_path / "out", "scale_package.inner.model:Scale") == 7


def test_a_folder_of_weights_takes_the_code_of_its_class_along(store: Store, workplace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"model": "scale_model:Scale", "licence": "MIT"}')
    np.save(folder / "weights.npy", np.ones(3))
    store.push(folder, "m")
    assert paths_of(store, "m") == [
        *("helper_of_scale.py", "manifest.json", "requirements.txt", "scale_model.py", "weights.npy")
    ]
    assert store.show("m").manifest.spec.licence == "MIT"
    store.pull("m", tmp_path / "out")
    os.chdir(tmp_path)
    assert answer(tmp_path / "out") == 2
    (folder / "scale_model.py").write_text(MODEL.replace("* FACTOR", "* 9"))
    (folder / "helper_of_scale.py").write_text("FACTOR = 1\n")
    store.push(folder, "m")
    store.pull("m", tmp_path / "own")
    assert answer(tmp_path / "own") == 9, "the folder's own code comes before the working directory's"


def test_what_cannot_go_in_is_refused(store: Store, workplace: Path, tmp_path: Path) -> None:
    for reference, problem in (
        ("no_such_module:Scale", "no such module"),
        ("scale_model:Other", "no class 'Other'.*Scale"),
    ):
        with pytest.raises(BadArtefact, match=problem):
            store.push(reference, "m")
    package = workplace / "fast_package"
    package.mkdir()
    (package / "__init__.py").write_text(MODEL)
    (package / "native.so").write_bytes(b"\x7fELF")
    with pytest.raises(BadArtefact, match="compiled code"):
        store.push("fast_package:Scale", "m")
    (package / "native.so").unlink()
    (package / "weights.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(UnsafeArtefact, match="pickle"):
        store.push("fast_package:Scale", "m")
    (package / "weights.pkl").unlink()
    (package / "server.key").write_text("-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n")
    with pytest.raises(BadArtefact, match="private key"):
        store.push("fast_package:Scale", "m")
    (package / "server.key").unlink()
    with (package / "large.txt").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(BadArtefact, match="64 MiB"):
        store.push("fast_package:Scale", "m")
    (package / "large.txt").unlink()
    (package / "broken.py").write_text("def (:\n")
    with pytest.raises(BadArtefact, match="no Python"):
        store.push("fast_package:Scale", "m")
    assert store.models() == []


def test_looking_for_the_signature_lets_the_code_do_nothing(store: Store, workplace: Path, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "signing.key").write_text("secret")
    attacks = f"""
import pathlib, socket
done = []
for attack in (
    lambda: pathlib.Path({str(workplace / "marker")!r}).write_text("hostile"),
    lambda: pathlib.Path({str(workplace / ".env")!r}).read_text(),
    socket.socket,
):
    try:
        done.append(attack())
    except PermissionError:
        pass
NAME = "x" if not done else "escaped"
"""
    (workplace / "hostile_model.py").write_text(attacks + MODEL.replace('"x", "FP32"', 'NAME, "FP32"'))
    store.push("hostile_model:Scale", "m")
    assert list(store.show("m").manifest.tensors) == ["input x", "output y"]
    assert not (workplace / "marker").exists()


def test_code_that_cannot_be_imported_here_is_stored_without_a_signature(store: Store, workplace: Path) -> None:
    (workplace / "other_model.py").write_text("import no_such_library_anywhere\n" + MODEL)
    store.push("other_model:Scale", "m")
    assert store.show("m").manifest.signature is None
