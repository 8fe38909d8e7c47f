"""Examples from every format, and what is said of those that cannot be used."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pumice.domain.errors import BadSetting, PumiceError
from pumice.domain.model import ImageInput, Manifest
from pumice.domain.signature import Signature, Tensor
from pumice.optimize.data.reading import read_examples
from pumice.optimize.examples import Examples

TENSORS = Signature(
    inputs=[Tensor("x", "FP32", [-1, 3]), Tensor("ids", "INT32", [-1])], outputs=[Tensor("y", "FP32", [-1, 2])]
)
TEXTS = Signature(inputs=[Tensor("text", "BYTES", [-1])], outputs=[Tensor("scores", "FP32", [-1, 2])])
IMAGES = Signature(inputs=[Tensor("image", "BYTES", [-1])], outputs=[Tensor("scores", "FP32", [-1, 2])])
SENTIMENT = Manifest(task="text-classification", labels=["negative", "positive"])
PICTURES = Manifest(task="image-classification", labels=["cat", "dog"], image=ImageInput(height=4, width=4))

Rows = list[dict[str, Any]]
ROWS: Rows = [
    {"x": [n, n / 2, -1.5], "ids": n, "label": n % 2, "slice": f"part {n % 3}", "more": "?"} for n in range(9)
]


def write(path: Path, rows: Rows) -> Path:
    """Write rows in the format that the suffix says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows)
    elif path.suffix == ".npz":
        columns: Mapping[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        np.savez(path, **columns)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def png(width: int, height: int) -> bytes:
    """A picture's file."""
    file = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def read_texts(path: Path, manifest: Manifest = SENTIMENT) -> Examples:
    return read_examples(path, TEXTS, manifest)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".npz"])
def test_every_format_gives_the_same_examples(tmp_path: Path, suffix: str) -> None:
    examples = read_examples(write(tmp_path / f"data{suffix}", ROWS), TENSORS, Manifest())
    other = read_examples(write(tmp_path / "other.jsonl", ROWS), TENSORS, Manifest())
    assert {name: array.dtype for name, array in examples.inputs.items()} == {"x": np.float32, "ids": np.int32}
    np.testing.assert_array_equal(examples.inputs["x"], [row["x"] for row in ROWS])
    assert examples.labels is not None
    assert examples.labels.dtype == np.int64
    assert examples.labels.tolist() == [row["label"] for row in ROWS]
    assert examples.slices is not None
    assert examples.slices.tolist() == [row["slice"] for row in ROWS]
    assert examples.digest == other.digest
    changed = [*ROWS[:-1], ROWS[-1] | {"label": 1 - ROWS[-1]["label"]}]
    assert read_examples(write(tmp_path / f"new{suffix}", changed), TENSORS, Manifest()).digest != examples.digest


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".npz"])
@pytest.mark.parametrize("labels", [["positive", "negative"], [1, 0], ["1", "0"]])
def test_labels_are_names_or_places_of_classes(tmp_path: Path, suffix: str, labels: list[Any]) -> None:
    rows = [{"text": text, "label": label} for text, label in zip(["很好", "太差了，不买"], labels, strict=True)]
    examples = read_texts(write(tmp_path / f"data{suffix}", rows))
    assert examples.inputs["text"].tolist() == ["很好".encode(), "太差了，不买".encode()]
    assert examples.labels is not None
    assert examples.labels.tolist() == [b"positive", b"negative"]
    assert examples.slices is None


def test_names_that_look_like_places_are_names(tmp_path: Path) -> None:
    digits = Manifest(task="text-classification", labels=["1", "2"])
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 2}]
    labels = read_texts(write(tmp_path / "names.jsonl", rows), digits).labels
    assert labels is not None
    assert labels.tolist() == [b"1", b"2"]
    rows = [{"text": "a", "label": 0}, {"text": "b", "label": 1}]
    labels = read_texts(write(tmp_path / "places.jsonl", rows), digits).labels
    assert labels is not None
    assert labels.tolist() == [b"1", b"2"]


def test_labels_of_raw_tensors_may_be_anything(tmp_path: Path) -> None:
    def labels(values: list[Any], manifest: Manifest | None = None) -> np.ndarray:
        rows = [{"x": [0, 0, 0], "ids": 1, "label": value} for value in values]
        read = read_examples(write(tmp_path / "data.jsonl", rows), TENSORS, manifest or Manifest()).labels
        assert read is not None
        return read

    assert labels(["b", "a"], Manifest(labels=["a", "b"])).tolist() == [1, 0]
    assert labels([1.5, 2]).tolist() == [1.5, 2.0]
    assert labels([[1, -100], [0, 3]]).tolist() == [[1, -100], [0, 3]]
    assert labels(["x", "y"]).tolist() == [b"x", b"y"]
    with pytest.raises(BadSetting, match=r"line 2: 'label'.*numbers of the shape \[2\]"):
        labels([[1, 2], [1]])


BAD: list[tuple[str, str, str]] = [
    ("x", "[1, 2]", r"line 2: 'x': shape \[2\]; expected \[3\]"),
    ("x", "[1, 2, [3]]", "line 2: 'x': lists of different lengths"),
    ("x", '["1", "2", "3"]', "line 2: 'x': text; expected FP32"),
    ("x", "[1, 2, 1e39]", r"line 2: 'x': 1e\+39 does not fit into FP32"),
    ("x", "null", "line 2: column 'x': there is no value"),
    ("ids", "1.5", "line 2: 'ids': 1.5 does not fit into INT32"),
    ("ids", "3000000000", "line 2: 'ids': 3000000000 does not fit into INT32"),
    ("ids", "123456789012345678901234567890", "line 2: 'ids': no numbers; expected INT32"),
    ("ids", "true", "line 2: 'ids': truth values; expected INT32"),
    ("label", "null", "line 2: 'label': there is none"),
    ("slice", '" "', "line 2: 'slice': there is none"),
    ("x", "[1, 2, 3", "line 2: no JSON"),
]


@pytest.mark.parametrize(("column", "value", "told"), BAD)
def test_a_row_that_does_not_fit_is_named_by_its_line(tmp_path: Path, column: str, value: str, told: str) -> None:
    good = '{"x": [1, 2, 3], "ids": 4, "label": 0, "slice": "a"}\n'
    cells = {"x": "[1, 2, 3]", "ids": "4", "label": "0", "slice": '"a"'} | {column: value}
    bad = "{" + ", ".join(f'"{name}": {text}' for name, text in cells.items()) + "}\n"
    path = tmp_path / "data.jsonl"
    path.write_text(good + bad + good, encoding="utf-8")
    with pytest.raises(BadSetting, match=f"1 of 3 rows that cannot be used: {told}") as refused:
        read_examples(path, TENSORS, Manifest())
    assert "allowed the inputs 'x' FP32 [-1, 3]" in refused.value.message


def test_many_faults_are_counted_and_the_first_are_told(tmp_path: Path) -> None:
    rows = [{"text": "fine", "label": "positive"}, *({"text": "bad", "label": "neutral"} for _ in range(2000))]
    with pytest.raises(BadSetting) as refused:
        read_texts(write(tmp_path / "data.csv", rows))
    told = refused.value.message
    assert "2,000 of 2,001 rows" in told
    assert "line 3: 'label': given 'neutral'; expected one of 'negative', 'positive', or 0 to 1" in told
    assert "line 7" in told
    assert "line 8" not in told
    assert "and 1,995 more" in told


def test_what_serving_would_refuse_is_no_example(tmp_path: Path) -> None:
    rows: Rows = [{"text": "good"}, {"text": "a\u200bb"}, {"text": "long " * 10}]
    path = write(tmp_path / "data.jsonl", rows)
    with pytest.raises(BadSetting, match=r"line 2: 'text' holds U\+200B.*line 3: 'text' has 50 characters"):
        read_texts(path, Manifest(task="text-classification", labels=["a", "b"], max_text_chars=20))
    repaired = read_texts(path, Manifest(task="text-classification", labels=["a", "b"], clean="repair"))
    assert repaired.inputs["text"][1] == b"ab"
    numbers = [{"x": [1, 2, 3], "ids": 0}, {"x": [1, float("nan"), 3], "ids": 0}]
    with pytest.raises(BadSetting, match="row 2: 'x': NaN or infinity"):
        read_examples(write(tmp_path / "data.npz", numbers), TENSORS, Manifest())
    assert len(read_examples(tmp_path / "data.npz", TENSORS, Manifest(allow_nonfinite=True))) == 2


def test_a_folder_of_images_has_its_labels_in_its_folders(tmp_path: Path) -> None:
    for name in ("cat/one.png", "cat/deep/two.png", "dog/three.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(6, 5))
    (tmp_path / ".DS_Store").write_bytes(b"?")
    examples = read_examples(tmp_path, IMAGES, PICTURES)
    assert examples.inputs["image"].tolist() == [png(6, 5)] * 3
    assert examples.labels is not None
    assert examples.labels.tolist() == [b"cat", b"cat", b"dog"]
    (tmp_path / "labels.csv").write_text("file,label,slice\ndog/three.png,dog,night\ncat/one.png,0,day\n")
    with pytest.raises(BadSetting, match=r"labels\.csv line 3: 'label': given '0'"):
        read_examples(tmp_path, IMAGES, PICTURES)
    (tmp_path / "labels.csv").write_text("file,slice\ndog/three.png,night\ncat/one.png,day\n")
    listed = read_examples(tmp_path, IMAGES, PICTURES)
    assert listed.labels is None
    assert listed.slices is not None
    assert listed.slices.tolist() == ["night", "day"]
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "dog" / "four.png").write_bytes(png(60, 50)[:3000])
    (tmp_path / "bird").mkdir()
    (tmp_path / "bird" / "five.png").write_bytes(png(6, 5))
    (tmp_path / "dog" / "notes.txt").write_text("?")
    with pytest.raises(BadSetting) as refused:
        read_examples(tmp_path, IMAGES, PICTURES)
    for told in ("3 of 6 rows", "dog/four.png: input 'image'", "bird/five.png: 'label'", "dog/notes.txt"):
        assert told in refused.value.message
    with pytest.raises(BadSetting, match="a folder, for a model of task 'text-classification'"):
        read_texts(tmp_path)


def pickled(path: Path) -> None:
    np.savez(path, text=np.array(["a", b"b"], dtype=object))


def ragged(path: Path) -> None:
    np.savez(path, text=np.array(["a", "b"]), label=np.array([0]))


def numbers(path: Path) -> None:
    np.savez(path, text=np.array([1, 2]))


def bare(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.array(["a"]))
    path.with_suffix(".npy").rename(path)


def scalar(path: Path) -> None:
    np.savez(path, text=np.array("a"))


def nameless(path: Path) -> None:
    np.savez(path, texts=np.array(["a"]))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (pickled, "Object arrays cannot be loaded"),
        (ragged, "'text' 2, 'label' 1"),
        (numbers, "'text': int64; expected text"),
        (bare, "not a zip file"),
        (scalar, "'text', which is no array of rows"),
        (nameless, "an array 'text'"),
    ],
)
def test_an_archive_that_is_none_is_refused(tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    make(tmp_path / "data.npz")
    with pytest.raises(BadSetting, match=told):
        read_texts(tmp_path / "data.npz")


def test_a_model_of_one_row_at_a_time_has_rows_too(tmp_path: Path) -> None:
    data = write(tmp_path / "data.jsonl", [{"x": [1, 2]}, {"x": [3, 4]}])

    def signature(first: int) -> Signature:
        return Signature(inputs=[Tensor("x", "FP32", [first, 2])], outputs=[Tensor("y", "FP32", [first, 3])])

    assert read_examples(data, signature(1), Manifest()).inputs["x"].tolist() == [[1, 2], [3, 4]]
    with pytest.raises(BadSetting, match=r"'x' FP32 \[4, 2\], which has no axis of examples"):
        read_examples(data, signature(4), Manifest())


def test_a_file_without_what_is_needed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="a column 'text'"):
        read_texts(write(tmp_path / "data.csv", [{"texts": "a"}]))
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(BadSetting, match="no examples"):
        read_texts(tmp_path / "empty.jsonl")
    with pytest.raises(BadSetting, match="at which there is nothing"):
        read_texts(tmp_path / "nothing.xlsx")


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".npz"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_an_error_or_good(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    whole = write(tmp_path / f"whole{suffix}", ROWS).read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = tmp_path / f"damaged{suffix}"
    damaged.write_bytes(
        whole[:place] + data.draw(st.binary(max_size=6)) + whole[place + data.draw(st.integers(0, 40)) :]
    )
    try:
        examples = read_examples(damaged, TENSORS, Manifest())
    except PumiceError:
        return
    assert examples.inputs["x"].shape == (len(examples), 3)
