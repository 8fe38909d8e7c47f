"""Every engine loads a stored version from memory, with nothing on the disk but names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from skops import io

from pumice import Store
from pumice.config import ModelSettings, Settings
from pumice.domain.model import Manifest
from pumice.engines.base import Engine, EngineConfig
from pumice.engines.registry import load_engine
from pumice.protocol.frames import WorkerSpec
from pumice.runtime.worker.files import lay_out
from pumice.service.sources import Sources
from tests.engines.graphs import mlp as onnx_mlp
from tests.engines.programs import Mlp
from tests.engines.programs import mlp as torch_mlp

ROWS = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)

MODEL = """
from pathlib import Path

import numpy as np
import torch

from pumice import Model, Signature, Tensor
from pumice.engines.torch import load_state
from shared import factor


class Scaled(Model):
    signature = Signature(inputs=[Tensor("x", "FP32", [-1, 16])], outputs=[Tensor("y", "FP32", [-1, 4])])

    def load(self, path: Path) -> None:
        self.layer = torch.nn.Linear(16, 4)
        load_state(self.layer, path / "weights" / "layer.safetensors")

    def predict(self, inputs):
        with torch.inference_mode():
            return {"y": self.layer(torch.tensor(inputs["x"])).numpy() * factor()}
"""


class Shelf:
    """Stores models and loads them as a replica does.

    Args:
        store: The store.
        home: Its home.
        folder: Where replicas' folders are made.
    """

    def __init__(self, store: Store, home: Path, folder: Path) -> None:
        self._store = store
        self._sources = Sources(Settings(home=str(home)))
        self._folder = folder

    def engine(self, source: Path, manifest: Mapping[str, object] | None = None) -> Engine:
        """Push a source and load the version."""
        name = f"model-{len(list(self._folder.iterdir()))}"
        record = self._store.push(source, name)
        settings = ModelSettings(name=name, source=f"{name}@{record.version}", manifest=dict(manifest or {}))
        located = self._sources.locate(settings)
        assert located.held is not None
        scratch = self._folder / name
        scratch.mkdir()
        spec = lay_out(
            WorkerSpec(
                name=name,
                version="1",
                source=settings.source,
                path=str(located.path),
                manifest=located.manifest,
                threads=1,
                provider="cpu",
                device=0,
                socket=str(scratch / "socket"),
                files=tuple(file.path for file in located.held.files),
            ),
            [file.fd for file in located.held.files],
        )
        written = [entry for entry in scratch.rglob("*") if entry.is_file() and not entry.is_symlink()]
        assert not written
        return load_engine(EngineConfig(source=spec.source, path=spec.path, manifest=spec.manifest, held=True))


@pytest.fixture
def shelf(store: Store, home: Path, tmp_path: Path) -> Shelf:
    folder = tmp_path / "replicas"
    folder.mkdir()
    return Shelf(store, home, folder)


def outputs(engine: Engine) -> np.ndarray:
    (answer,) = engine.run({"x": ROWS}, {}).values()
    engine.close()
    return answer


def test_onnx_with_weights_inside_and_beside(shelf: Shelf, tmp_path: Path) -> None:
    inside = onnx_mlp(tmp_path / "graph.onnx")
    beside = tmp_path / "beside" / "graph.onnx"
    beside.parent.mkdir()
    graph = onnx.load(inside)
    onnx.save(graph, beside, save_as_external_data=True, location="graph.weights", size_threshold=16)
    expected = outputs(load_engine(EngineConfig(source="m", path=str(inside), manifest=Manifest())))
    assert np.array_equal(outputs(shelf.engine(inside)), expected)
    assert np.array_equal(outputs(shelf.engine(beside)), expected)
    openvino_way = {"format": "openvino"}
    assert np.allclose(outputs(shelf.engine(inside, openvino_way)), expected, atol=1e-4)
    ir = tmp_path / "ir" / "model.xml"
    ir.parent.mkdir()
    openvino.save_model(openvino.convert_model(str(inside)), ir, compress_to_fp16=False)
    assert np.allclose(outputs(shelf.engine(ir)), expected, atol=1e-4)


def test_a_program_of_torch_and_an_estimator(shelf: Shelf, tmp_path: Path) -> None:
    program = torch_mlp(tmp_path / "program.pt2")
    with torch.inference_mode():
        expected = Mlp().eval()(torch.from_numpy(ROWS)).numpy()
    assert np.allclose(outputs(shelf.engine(program)), expected, atol=1e-5)
    estimator = LogisticRegression().fit(ROWS, [0, 1, 0])
    io.dump(estimator, tmp_path / "estimator.skops")
    engine = shelf.engine(tmp_path / "estimator.skops")
    assert engine.run({"x": ROWS}, {})["label"].tolist() == estimator.predict(ROWS).tolist()


def test_a_python_model_with_its_code_and_weights(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "scaled"
    (folder / "weights").mkdir(parents=True)
    layer = torch.nn.Linear(16, 4)
    save_file(dict(layer.state_dict()), folder / "weights" / "layer.safetensors")
    (folder / "scaled_model.py").write_text(MODEL)
    (folder / "shared.py").write_text("def factor():\n    return 3\n")
    (folder / "manifest.json").write_text('{"format": "python", "model": "scaled_model:Scaled"}')
    with torch.inference_mode():
        expected = layer(torch.from_numpy(ROWS)).numpy() * 3
    assert np.allclose(outputs(shelf.engine(folder)), expected, atol=1e-5)
