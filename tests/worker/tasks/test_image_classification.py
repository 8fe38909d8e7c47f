"""The task `image-classification`."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pumice.domain.errors import BadArtefact, BadSetting, MalformedInput, MissingDependency, TooLarge
from pumice.domain.model import ImageInput
from pumice.domain.signature import Signature, Tensor
from pumice.runtime.worker.tasks import Pipeline
from pumice.runtime.worker.tasks.images import MAX_PIXELS, ImageDecoder
from tests.engines.arrays import texts
from tests.engines.graphs import node, save, tensor
from tests.worker.tasks.files import pipeline

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
SIZE = 8


def encoded(
    colour: tuple[int, ...] | int, kind: str = "PNG", size: tuple[int, int] = (SIZE, SIZE), mode: str = "RGB"
) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, kind)
    return file.getvalue()


def save_colours(path: Path, batch: int | str = "batch", datatype: str = "FP32") -> Path:
    """Average each channel: pixels [batch, 3, 8, 8] -> logits [batch, 3]."""
    nodes = [
        node("Cast", ["pixels"], ["floats"], to=1),
        node("ReduceMean", ["floats", "axes"], ["logits"], keepdims=0),
    ]
    return save(
        path,
        nodes,
        [tensor("pixels", datatype, [batch, 3, SIZE, SIZE])],
        [tensor("logits", "FP32", [batch, 3])],
        {"axes": np.array([2, 3])},
    )


def classifier(path: Path, how: ImageInput | None = None, **manifest: Any) -> Pipeline:
    said = {"task": "image-classification", "labels": ["red", "green", "blue"]} | manifest
    return pipeline(path, image=how or ImageInput(height=SIZE, width=SIZE), **said)


def test_the_served_signature(tmp_path: Path) -> None:
    assert classifier(save_colours(tmp_path / "m.onnx")).signature == Signature(
        inputs=[Tensor("image", "BYTES", [-1])],
        outputs=[Tensor("label", "BYTES", [-1]), Tensor("score", "FP32", [-1]), Tensor("scores", "FP32", [-1, 3])],
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("datatype", ["FP32", "FP16"])
def test_images_of_every_kind_are_classified(tmp_path: Path, kind: str, datatype: str) -> None:
    made = classifier(save_colours(tmp_path / "m.onnx", datatype=datatype))
    images = texts(*(encoded(colour, kind, (20, 13)) for colour in (GREEN, RED, BLUE, GREEN)))
    answer = made.run({"image": images}, {})
    assert answer["label"].tolist() == [b"green", b"red", b"blue", b"green"]
    assert made.run({"image": images[2:3]}, {})["label"].tolist() == [b"blue"]


def test_graphs_of_one_image_take_any_number(tmp_path: Path) -> None:
    made = classifier(save_colours(tmp_path / "m.onnx", batch=1))
    assert made.batchable
    assert made.run({"image": texts(encoded(RED), encoded(BLUE))}, {})["label"].tolist() == [b"red", b"blue"]


@pytest.mark.parametrize(
    ("mode", "colour"), [("L", 255), ("P", 0), ("RGBA", (255, 0, 0, 128)), ("LA", (9, 255)), ("1", 1)]
)
def test_other_colours_become_rgb(tmp_path: Path, mode: str, colour: Any) -> None:
    made = classifier(save_colours(tmp_path / "m.onnx"))
    assert made.run({"image": texts(encoded(colour, mode=mode))}, {})["scores"].shape == (1, 3)


def test_pixels_are_scaled_as_the_manifest_says() -> None:
    how = ImageInput(height=4, width=2, mean=[0.5, 0.25, 0], std=[0.5, 1, 2])
    pixels = ImageDecoder(how, np.dtype(np.float32)).decode(texts(encoded((255, 51, 102), size=(2, 4))))
    assert pixels.shape == (1, 3, 4, 2)
    np.testing.assert_allclose(pixels[0, :, 0, 0], [(1 - 0.5) / 0.5, 0.2 - 0.25, 0.4 / 2], rtol=1e-5)
    how = ImageInput(height=4, width=2, channels=1, layout="HWC", scale=1)
    pixels = ImageDecoder(how, np.dtype(np.uint8)).decode(texts(encoded((77, 77, 77), size=(2, 4))))
    assert pixels.shape == (1, 4, 2, 1)
    assert set(pixels.ravel().tolist()) == {77}


@pytest.mark.parametrize(("crop", "seen"), [(True, {GREEN}), (False, {RED, GREEN, BLUE})])
def test_the_middle_is_cut_out_or_all_is_squeezed(crop: bool, seen: set[tuple[int, ...]]) -> None:
    wide = Image.new("RGB", (24, 8))
    for place, colour in enumerate((RED, GREEN, BLUE)):
        wide.paste(colour, (place * 8, 0, place * 8 + 8, 8))
    file = io.BytesIO()
    wide.save(file, "PNG")
    how = ImageInput(height=8, width=8, crop=crop, scale=1, layout="HWC")
    pixels = ImageDecoder(how, np.dtype(np.float32)).decode(texts(file.getvalue()))[0]
    middles = {tuple(round(value) for value in pixels[4, column]) for column in (1, 4, 6)}
    assert middles == seen


def test_photographs_are_turned_upright() -> None:
    half = Image.new("RGB", (8, 8), RED)
    half.paste(BLUE, (0, 4, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    file = io.BytesIO()
    half.save(file, "JPEG", exif=exif, quality=100, subsampling=0)
    how = ImageInput(height=8, width=8, layout="HWC")
    pixels = ImageDecoder(how, np.dtype(np.float32)).decode(texts(file.getvalue()))[0]
    assert pixels[0, 4].argmax() == 2


def png_of_size(width: int, height: int) -> bytes:
    """A few bytes that claim to be a large image."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b""))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    made = classifier(save_colours(tmp_path / "m.onnx"))
    with pytest.raises(TooLarge, match=rf"input 'image'\[1\] has {10**10} pixels; at most {MAX_PIXELS}"):
        made.run({"image": texts(encoded(RED), png_of_size(100_000, 100_000))}, {})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        encoded(RED)[:40],
        encoded(RED, "JPEG")[:-200],
        encoded(RED)[:44] + b"\xff" * 40,
        png_of_size(4, 4),
        encoded(RED, "TIFF"),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, data: bytes) -> None:
    made = classifier(save_colours(tmp_path / "m.onnx"))
    with pytest.raises(MalformedInput, match=r"input 'image'\[2\].*send PNG, JPEG"):
        made.run({"image": texts(encoded(RED), encoded(BLUE), data)}, {})
    assert made.run({"image": texts(encoded(BLUE))}, {})["label"].tolist() == [b"blue"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_damaged_images_raise_nothing_else(kind: str) -> None:
    whole = encoded(GREEN, kind, (40, 30))
    decoder = ImageDecoder(ImageInput(height=8, width=8), np.dtype(np.float32))
    random = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in random.integers(0, len(damaged), size=4):
            damaged[place] = random.integers(0, 256)
        with contextlib.suppress(MalformedInput, TooLarge):
            decoder.decode(texts(bytes(damaged)))


def test_the_warm_up_is_an_image(tmp_path: Path) -> None:
    made = classifier(save_colours(tmp_path / "m.onnx"))
    assert made.run(made.warm_inputs(), {})["label"].shape == (1,)


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        (ImageInput(height=9, width=SIZE), BadArtefact, r"one input FP32, FP16 or UINT8 \[batch, 3, 9, 8\]"),
        (ImageInput(height=SIZE, width=SIZE, layout="HWC"), BadArtefact, r"\[batch, 8, 8, 3\]"),
        (ImageInput(height=SIZE, width=SIZE, mean=[1, 2]), BadSetting, r"image.mean"),
        (ImageInput(height=SIZE, width=SIZE, std=[0]), BadSetting, r"image.std"),
    ],
)
def test_a_manifest_that_does_not_suit(tmp_path: Path, how: ImageInput, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        classifier(save_colours(tmp_path / "m.onnx"), how)


def test_whole_numbers_are_not_scaled(tmp_path: Path) -> None:
    path = save_colours(tmp_path / "m.onnx", datatype="UINT8")
    with pytest.raises(BadSetting, match="scale 1, mean"):
        classifier(path)
    made = classifier(path, ImageInput(height=SIZE, width=SIZE, scale=1))
    assert made.run({"image": texts(encoded(RED))}, {})["label"].tolist() == [b"red"]


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingDependency, match=r"pip install 'pumice\[image\]'"):
        classifier(save_colours(tmp_path / "m.onnx"))
