"""How engines are found."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pumice.domain.errors import BadSetting
from pumice.domain.model import Manifest
from pumice.engines.discovery import engines_by_metadata, engines_in_files
from pumice.engines.onnx import OnnxEngine
from pumice.engines.python import PythonEngine
from pumice.engines.registry import engine_class, find_engine


def install(folder: Path, entries: str, name: str = "other") -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[pumice.engines]\n{entries}\n", encoding="utf-8")


def test_pumices_own_engines_are_there_and_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "# a comment\n\naaa = aaa_module:Engine [extra]\n[console_scripts]\nonnx = other:main")
    monkeypatch.syspath_prepend(str(tmp_path))
    for found in (engines_in_files(), engines_by_metadata()):
        assert sorted(list(found)[:5]) == ["onnx", "openvino", "python", "sklearn", "torch"]
        assert found["onnx"] == "pumice.engines.onnx:OnnxEngine"
    assert engines_in_files()["aaa"] == "aaa_module:Engine"


def test_a_name_or_a_suffix_finds_an_engine() -> None:
    assert engine_class("python") is PythonEngine
    assert find_engine("a.onnx", Path("a.ONNX"), Manifest()) is OnnxEngine
    assert find_engine("a:B", None, Manifest()) is PythonEngine
    assert find_engine("a.onnx", Path("a.onnx"), Manifest(format="python")) is PythonEngine


def test_a_name_imports_its_engine_alone() -> None:
    code = (
        "import sys; from pumice.engines.registry import engine_class; engine_class('onnx');"
        "print(*(m in sys.modules for m in ('pumice.engines.python', 'importlib.metadata', 'onnxruntime')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_two_packages_cannot_share_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "onnx = other:Engine")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadSetting, match="uninstall the other's package"):
        engine_class("onnx")


@pytest.mark.parametrize("value", ["no_such_module:Engine", "json:Engine", "json:JSONDecoder", "json:dumps"])
def test_an_entry_point_that_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    install(tmp_path, f"odd = {value}")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadSetting, match="engine 'odd'"):
        engine_class("odd")
    # and it is in nobody's way
    assert find_engine("a.onnx", Path("a.onnx"), Manifest()) is OnnxEngine


def test_a_package_in_a_zip_file_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 1.0\n")
        file.writestr("zipped-1.0.dist-info/entry_points.txt", "[pumice.engines]\nzipped = zipped_engine:Zipped\n")
        file.writestr(
            "zipped_engine.py",
            "from pumice.engines.onnx import OnnxEngine\nclass Zipped(OnnxEngine): name = 'zipped'\n",
        )
    monkeypatch.syspath_prepend(str(archive))
    assert "zipped" not in engines_in_files()
    assert engine_class("zipped").name == "zipped"


def test_unreadable_entry_points_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "")
    (tmp_path / "other-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff pumice.engines")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "onnx" in engines_in_files()
