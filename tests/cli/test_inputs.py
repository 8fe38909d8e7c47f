"""What may stand for INPUT, and how it is read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pumice.cli.inputs import read_input
from pumice.domain.errors import BadSetting

NOTHING = io.BytesIO()


@pytest.mark.parametrize("text", ["很好", "what is in x.json?", "a b.txt\nc.txt", "", "v1.5"])
def test_a_text_is_a_text(text: str) -> None:
    assert read_input(text, NOTHING).items == [text]


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (b"one\n\ntwo \xe5\xa5\xbd\r\n", ["one", "two 好"]),
        (b' ["a", "b"]', ["a", "b"]),
        (b"[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
    ],
)
def test_standard_input_holds_lines_or_json(data: bytes, items: list[Any]) -> None:
    assert read_input("-", io.BytesIO(data)).items == items


@pytest.mark.parametrize(
    ("body", "tensors"),
    [
        ({"inputs": [{"name": "x", "datatype": "INT64", "shape": [1, 2], "data": [1, 2]}]}, {"x": [[1, 2]]}),
        ({"inputs": {"x": [[1, 2]]}}, {"x": [[1, 2]]}),
        ({"instances": [{"x": [1, 2], "y": 3}, {"x": [4, 5], "y": 6}]}, {"x": [[1, 2], [4, 5]], "y": [3, 6]}),
    ],
)
def test_json_of_every_protocol_names_its_tensors(tmp_path: Path, body: Any, tensors: Any) -> None:
    file = tmp_path / "request.JSON"
    file.write_text(json.dumps(body), encoding="utf-8")
    read = read_input(str(file), NOTHING).tensors
    assert {name: np.asarray(value).tolist() for name, value in read.items()} == tensors


def test_instances_without_names_are_items(tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_text('{"instances": ["a", "b"]}', encoding="utf-8")
    assert read_input(str(file), NOTHING).items == ["a", "b"]


def test_array_files(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(tmp_path / "a.npz", x=array)
    np.save(tmp_path / "a.npy", array)
    np.save(tmp_path / "scalar.npy", np.float32(1))
    assert read_input(str(tmp_path / "a.npz"), NOTHING).tensors["x"].tolist() == array.tolist()
    assert [row.tolist() for row in read_input(str(tmp_path / "a.npy"), NOTHING).items] == array.tolist()
    assert read_input(str(tmp_path / "scalar.npy"), NOTHING).items == [1.0]


def test_an_image_is_its_bytes_and_a_text_file_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").write_bytes(b"\x89PNG")
    (tmp_path / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    assert read_input(str(tmp_path / "a.PNG"), NOTHING).items == [b"\x89PNG"]
    assert read_input(str(tmp_path / "a.txt"), NOTHING).items == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("absent.json", None),
        ("absent.png", None),
        ("bad.json", b"{"),
        ("empty.json", b"{}"),
        ("none.json", b'{"inputs": []}'),
        ("number.json", b"3"),
        ("ragged.json", b'[{"x": 1}, {"y": 1}]'),
        ("wrong.json", b'[{"name": "x", "datatype": "FP99", "shape": [1], "data": [1]}]'),
        ("bad.npz", b"no archive"),
        ("bad.npy", b"no array"),
        ("empty.npy", b""),
        ("latin.txt", b"\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes | None) -> None:
    file = tmp_path / name
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(BadSetting, match=f"INPUT: given '.*{name}'; allowed a text"):
        read_input(str(file), NOTHING)


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(BadSetting, match="allow_pickle"):
        read_input(str(tmp_path / "a.npy"), NOTHING)
