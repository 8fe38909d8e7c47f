"""Files that may run code are refused by their bytes, and nothing in them is run."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.domain.model import Manifest
from pumice.engines.base import EngineConfig
from pumice.engines.registry import load_engine
from pumice.engines.safety import check_safetensors, refuse_unsafe
from tests.engines.graphs import mlp
from tests.support.disguises import DISGUISES, Trap, is_armed

SUFFIXES = (".onnx", ".ort", ".pt2", ".skops", ".xml", ".safetensors", ".npy", ".gguf", ".pkl", "")


@pytest.mark.parametrize("disguise", DISGUISES)
def test_every_disguise_under_every_name(tmp_path: Path, disguise: str) -> None:
    marker = tmp_path / "marker"
    content = DISGUISES[disguise](marker)
    for suffix in SUFFIXES:
        file = tmp_path / f"model{suffix}"
        file.write_bytes(content)
        with pytest.raises(UnsafeArtefact, match=r"refused, it is .*(convert it|save it again|unpack it)"):
            refuse_unsafe(file)
    assert not marker.exists()


@pytest.mark.parametrize("disguise", [name for name in DISGUISES if name.startswith("protocol")] + ["by hand"])
def test_the_traps_are_armed(tmp_path: Path, disguise: str) -> None:
    marker = tmp_path / "marker"
    assert is_armed(DISGUISES[disguise](marker), marker)


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_what_joblib_really_writes(tmp_path: Path, compress: int | tuple[str, int]) -> None:
    marker, file = tmp_path / "marker", tmp_path / "model.onnx"
    joblib.dump({"array": np.ones(1000), "trap": Trap(marker)}, file, compress=compress)
    with pytest.raises(UnsafeArtefact):
        refuse_unsafe(file)
    assert not marker.exists()


@pytest.mark.parametrize("magic", [b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x89HDF\r\n\x1a\n"])
def test_what_cannot_be_seen_into(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(magic + b"x" * 100)
    with pytest.raises(UnsafeArtefact):
        refuse_unsafe(tmp_path / "model.onnx")


def test_a_folder_is_looked_at_whole(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    mlp(tmp_path / "model.onnx")
    refuse_unsafe(tmp_path)
    (inner / "vocab.txt").write_bytes(DISGUISES["protocol 0"](tmp_path / "marker"))
    with pytest.raises(UnsafeArtefact, match=r"vocab\.txt"):
        refuse_unsafe(tmp_path)


def test_bombs_are_refused_and_not_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "model.skops"
    file.write_bytes(zlib.compress(zlib.compress(zlib.compress(zlib.compress(b"\0" * 1000)))))
    with pytest.raises(UnsafeArtefact, match="larger, deeper or fuller"):
        refuse_unsafe(file)
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(100_001):
            archive.writestr(str(number), b"")
    with pytest.raises(UnsafeArtefact, match="larger, deeper or fuller"):
        refuse_unsafe(file)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(str(number), bytes(100_000_000))
    with pytest.raises(UnsafeArtefact, match=r"unpacks to far more than it is.*without compression"):
        refuse_unsafe(file)
    file.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(UnsafeArtefact, match="cannot be read"):
        refuse_unsafe(file)


def test_good_files_pass(tmp_path: Path) -> None:
    mlp(tmp_path / "model.onnx")
    np.save(tmp_path / "numbers.npy", np.ones((3, 4)))
    np.save(tmp_path / "texts.npy", np.array(["a", "b"]))
    np.savez(tmp_path / "arrays.npz", a=np.ones(3), b=np.zeros((2, 2), np.int8))
    safetensors(tmp_path / "weights.safetensors", np.ones((2, 3), np.float32))
    (tmp_path / "manifest.json").write_text(json.dumps({"description": "mine"}), encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("[PAD]\n(\n.\nI\n00.5\n", encoding="utf-8")
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(16))
    (tmp_path / "empty").write_bytes(b"")
    refuse_unsafe(tmp_path)
    for file in tmp_path.iterdir():
        refuse_unsafe(file)


@settings(max_examples=300, deadline=None)
@given(weights=st.lists(st.floats(width=32, allow_nan=False), min_size=4, max_size=200))
def test_raw_weights_are_no_pickle(tmp_path_factory: pytest.TempPathFactory, weights: list[float]) -> None:
    file = tmp_path_factory.getbasetemp() / "weights.raw"
    file.write_bytes(np.array(weights, np.float32).tobytes())
    refuse_unsafe(file)


@pytest.mark.parametrize("broken_off", [b"", b"\xff", b"\0", b"t" * 9])
def test_what_has_called_before_it_breaks_off_is_a_pickle(tmp_path: Path, broken_off: bytes) -> None:
    marker, file = tmp_path / "marker", tmp_path / "weights.raw"
    whole = b"cposix\nmkdir\n(V" + str(marker).encode() + b"\ntR"
    with pytest.raises((pickle.UnpicklingError, EOFError, IndexError)):
        pickle.loads(whole + broken_off)  # noqa: S301 - the attack itself
    assert marker.exists(), "it runs although it is not whole"
    file.write_bytes(whole + broken_off)
    with pytest.raises(UnsafeArtefact):
        refuse_unsafe(file)


def test_odd_escapes_in_what_is_no_pickle_are_nobodys_business(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"c\\{name\n\xff\xff\n")  # GLOBAL, and an escape that the standard library warns of
    refuse_unsafe(file)


@pytest.mark.parametrize("text", ["cat\ndog\nRabbit\n", "]\nq\n.", "(\ninto\nit\nb\n."])
def test_lists_of_words_are_no_pickles(tmp_path: Path, text: str) -> None:
    file = tmp_path / "vocab.txt"
    file.write_text(text, encoding="utf-8")
    refuse_unsafe(file)


def test_the_registry_looks_for_every_engine(tmp_path: Path) -> None:
    marker, file = tmp_path / "marker", tmp_path / "model.onnx"
    file.write_bytes(DISGUISES["torch.save"](marker))
    with pytest.raises(UnsafeArtefact, match=r"torch\.save"):
        load_engine(EngineConfig(source=str(file), path=str(file), manifest=Manifest()))
    with pytest.raises(BadArtefact, match="No such file"):
        load_engine(EngineConfig(source="absent.onnx", path=str(tmp_path / "absent.onnx"), manifest=Manifest()))
    assert not marker.exists()


def safetensors(file: Path, array: np.ndarray, **changes: object) -> Path:
    entry = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [0, array.nbytes]} | changes
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": entry}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + array.tobytes())
    return file


def test_safetensors_are_held_against_their_header(tmp_path: Path) -> None:
    file, array = tmp_path / "w.safetensors", np.ones((2, 3), np.float32)
    check_safetensors(safetensors(file, array))
    for changes, problem in (
        ({"data_offsets": [0, 20]}, "'w' does not lie"),
        ({"data_offsets": [4, 28]}, "'w' does not lie"),
        ({"shape": [2, 2], "data_offsets": [0, 16]}, "take 16 bytes, and 24 are there"),
        ({"shape": [-2, -3]}, "'w' does not lie"),
        ({"dtype": "O"}, "header cannot be read"),
        ({"data_offsets": "none"}, "header cannot be read"),
    ):
        with pytest.raises(BadArtefact, match=problem):
            check_safetensors(safetensors(file, array, **changes))
    for content in (b"", b"\xff" * 100, (1 << 62).to_bytes(8, "little") + b"{}", io.BytesIO(b"\x02").getvalue()):
        file.write_bytes(content)
        with pytest.raises(BadArtefact, match="header cannot be read"):
            check_safetensors(file)
