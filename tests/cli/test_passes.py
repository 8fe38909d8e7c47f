"""``pumice quantize``, ``fuse`` and ``export onnx``: one pass each, and nothing claimed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from pumice.engines.source import resolve_source
from tests.cli.command import pumice
from tests.optimize.passes.models import digit_network, digits


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A bare ONNX file, and beside it inputs for it."""
    model = digit_network(tmp_path / "digits").model
    np.savez(tmp_path / "inputs.npz", x=digits()[0][:80])
    return model.rename(tmp_path / "digits.onnx")


def test_quantize_calibrates_and_leaves_out(file: Path, tmp_path: Path) -> None:
    data, out = str(tmp_path / "inputs.npz"), str(tmp_path / "out")
    words = ("--to", "int8-static", "--data", data, "--leave-out", "0.03", "-O", "calibration=percentile", "--json")
    done = pumice("quantize", str(file), *words, "--output", out)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["folder"], told["format"], told["measured"]) == (out, "onnx", False)
    (step,) = told["recipe"]["passes"]
    assert step["int8-static"]["calibration"] == "percentile"
    left_out = {node["node"] for node in told["sensitivity"] if node["kept"]}
    assert left_out == set(step["int8-static"]["nodes_left_out"])
    assert len(told["sensitivity"]) == 3
    path, manifest = resolve_source(out)
    assert path is not None
    assert manifest.format == "onnx"
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(path).graph.node)
    assert (again := pumice("quantize", str(file), "--output", out)).returncode == 2
    assert "it is there already" in again.stderr


def test_fuse_says_that_nothing_was_measured(file: Path, tmp_path: Path) -> None:
    done = pumice("fuse", "digits.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'digits-fused'}\n"
    assert "nothing was measured: `pumice certify" in done.stderr
    assert "pumice optimize" in done.stderr


def test_a_version_of_the_store_is_a_source(file: Path, tmp_path: Path) -> None:
    home = {"PUMICE_HOME": str(tmp_path / "home")}
    assert pumice("models", "push", str(file), "--name", "numbers", environ=home).returncode == 0
    done = pumice("quantize", "numbers", "--to", "fp16", cwd=tmp_path, environ=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'numbers-fp16'}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--to", "int8-static"), "--data: given nothing; allowed a file of typical inputs, which int8-static needs"),
        (
            ("-O", "per_chanel=false"),
            "option 'per_chanel' of the pass 'int8-dynamic': given False; allowed its options",
        ),
        (("-O", "per_channel"), "--option: given 'per_channel'; allowed KEY=VALUE"),
        (("-O", "nodes_left_out=[frist]"), "'frist'; allowed nodes such as classes, first"),
        (("-O", "op_types=[Softmax]"), "option 'op_types' of the pass 'int8-dynamic': given 'Softmax'"),
    ],
)
def test_what_is_wrong_is_named(file: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = pumice("quantize", str(file), *words, "--output", str(tmp_path / "out"))
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "out").exists()


def test_export_takes_no_onnx(file: Path, tmp_path: Path) -> None:
    done = pumice("export", "onnx", str(file), str(tmp_path / "out"))
    assert done.returncode == 2
    assert "its format is 'onnx'; 'export' takes torch, transformers" in done.stderr
