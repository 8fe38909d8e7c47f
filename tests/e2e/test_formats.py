"""Every format through a real server; and files that may run code, which never get so far."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops import io

from pumice import Client
from tests.engines.graphs import mlp as onnx_mlp
from tests.engines.programs import mlp as torch_mlp
from tests.support.disguises import DISGUISES
from tests.support.server import RunningServer


def test_every_format_is_served(tmp_path: Path) -> None:
    onnx_mlp(tmp_path / "graph.onnx")
    torch_mlp(tmp_path / "program.pt2")
    features, labels = load_digits(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(features, labels)
    io.dump(pipeline, tmp_path / "digits.skops")
    models = [
        {"name": "onnx", "source": str(tmp_path / "graph.onnx")},
        {"name": "openvino", "source": str(tmp_path / "graph.onnx"), "manifest": {"format": "openvino"}},
        {"name": "torch", "source": str(tmp_path / "program.pt2"), "threads": 1},
        {"name": "sklearn", "source": str(tmp_path / "digits.skops")},
    ]
    (tmp_path / "pumice.yaml").write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    rows = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    with RunningServer("-f", str(tmp_path / "pumice.yaml")) as server, Client(server.url) as client:
        graph = client.infer("onnx", {"x": rows})["y"]
        assert np.allclose(client.infer("openvino", {"x": rows})["y"], graph, atol=1e-4)
        assert client.infer("torch", {"x": rows})["output"].shape == (3, 4)
        assert client.infer("sklearn", {"x": features[:5]})["label"].tolist() == pipeline.predict(features[:5]).tolist()


@pytest.mark.parametrize(
    ("disguise", "suffix"),
    [
        ("protocol 0", ".onnx"),
        ("torch.save", ".pt2"),
        ("pickle in a zip", ".skops"),
        ("TorchScript", ".xml"),
        ("joblib with gzip", ".safetensors"),
        ("object array", ".npy"),
        ("protocol 5", ".pkl"),
    ],
)
def test_nothing_runs_in_a_server(tmp_path: Path, disguise: str, suffix: str) -> None:
    marker, file = tmp_path / "marker", tmp_path / f"model{suffix}"
    file.write_bytes(DISGUISES[disguise](marker))
    done = subprocess.run(
        [sys.executable, "-m", "pumice", "serve", str(file), "--port", "0", "--grpc-port", "-1"],
        env=os.environ | {"PUMICE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "refused, it is" in done.stderr
    assert "Traceback" not in done.stderr
    assert not marker.exists()
