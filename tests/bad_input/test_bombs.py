"""What is small on the wire and large inside: bodies, images, archives of models.

No other archive comes over the wire: NPZ and Parquet are read by commands, from the user's own disk.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.bad_input.cases import INFER, Bad, binary, refused
from tests.bad_input.raw import ROW, Peak, Raw, post
from tests.support.server import RunningServer
from tests.support.wire import infer, output
from tests.worker.tasks.test_image_classification import save_colours

PREDICT = "/v1/models/double:predict"
LOAD = "/v2/repository/models/new/load"
UNPACKED = 400_000_000
MOST_BYTES = 40_000_000  # ten times what the server takes as a body


@cache
def packed(window: int) -> bytes:
    """Zeros behind the beginning of a request, so that nothing is wrong with it but its size."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, window)
    parts = [squeeze.compress(b" " * 1_000_000) for _ in range(UNPACKED // 1_000_000)]
    return b"".join((*parts, squeeze.flush()))


def gzipped() -> bytes:
    return packed(16 + zlib.MAX_WBITS)


BODIES: dict[str, tuple[int, str, Callable[[], bytes]]] = {
    "gzip": (413, "gzip", gzipped),
    "x-gzip": (413, "x-gzip", gzipped),
    "deflate": (413, "deflate", lambda: packed(zlib.MAX_WBITS)),
    "deflate without a header": (413, "deflate", lambda: packed(-zlib.MAX_WBITS)),
    "a gzip in a gzip": (400, "gzip, gzip", lambda: gzip.compress(gzipped())),
    "gzip and another behind it": (400, "gzip", lambda: gzip.compress(ROW) + gzipped()),
    "100,000 empty gzips": (400, "gzip", lambda: gzip.compress(b"") * 100_000),
    "gzip that ends early": (400, "gzip", lambda: gzip.compress(ROW)[:-9]),
    "br": (400, "br", lambda: ROW),
    "zstd": (400, "zstd", lambda: ROW),
}
"""Status, coding, and how the body is made: only where its test runs, for the bombs take seconds."""


@pytest.mark.parametrize("path", [INFER, PREDICT, "/predict", LOAD])
@pytest.mark.parametrize(("status", "coding", "make"), BODIES.values(), ids=BODIES)
def test_bodies(small: RunningServer, path: str, status: int, coding: str, make: Callable[[], bytes]) -> None:
    body = make()
    assert len(body) < 4_000_000
    refused(small, Bad(status, body, path, (f"Content-Encoding: {coding}",)), MOST_BYTES)


def test_a_bomb_behind_a_binary_tensor(small: RunningServer) -> None:
    _, headers = binary()
    refused(small, Bad(413, gzipped(), INFER, (*headers, "Content-Encoding: gzip")), MOST_BYTES)


def test_good_bodies_come_compressed(small: RunningServer) -> None:
    with Raw(small.url) as raw:
        raw.send(post(INFER, gzip.compress(ROW), "Content-Encoding: gzip"))
        assert raw.read().status == 200


# -- images


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze = zlib.compressobj(9)
    rows = b"".join(squeeze.compress(bytes(1 + width // 8)) for _ in range(min(height, 1000))) + squeeze.flush()
    size = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def changed(kind: str, at: int, packed_size: bytes) -> bytes:
    """A small image that says that it is large."""
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, kind)
    data = bytearray(file.getvalue())
    if kind == "JPEG":
        at += data.index(b"\xff\xc0")  # the frame's header
    data[at : at + len(packed_size)] = packed_size
    return bytes(data)


def webp(width: int, height: int) -> bytes:
    """A lossless file of one colour (RFC 9649: 14 bits for each size, less 1)."""
    bits = (width - 1) | (height - 1) << 14
    coded = b"\x2f" + struct.pack("<I", bits) + b"\x07\x10\x11\x11\x88\x88\xfe\x07"
    padded = coded + bytes(len(coded) % 2)
    return b"RIFF" + struct.pack("<I", 12 + len(padded)) + b"WEBPVP8L" + struct.pack("<I", len(coded)) + padded


IMAGES = {
    "PNG of 3.6 gigapixels": png(60_000, 60_000),
    "JPEG of 4.3 gigapixels": changed("JPEG", 5, struct.pack(">HH", 65535, 65535)),
    "GIF of 4.3 gigapixels": changed("GIF", 6, struct.pack("<HH", 65535, 65535)),
    "BMP of 4.6 exapixels": changed("BMP", 18, struct.pack("<ii", 2**31 - 1, 2**31 - 1)),
    "WebP of 268 megapixels": webp(16383, 16383),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("images")
    source = save_colours(folder / "model.onnx")
    said = {"task": "image-classification", "labels": ["r", "g", "b"], "image": {"height": 8, "width": 8}}
    (folder / "model.manifest.json").write_text(json.dumps(said), encoding="utf-8")
    with RunningServer(f"images={source}") as running:
        yield running


def classify(server: RunningServer, image: bytes) -> httpx.Response:
    body, (header,) = binary(len(image) + 4, struct.pack("<I", len(image)) + image, [1], "BYTES", "image")
    name, _, value = header.partition(": ")
    return httpx.post(f"{server.url}/v2/models/images/infer", content=body, headers={name: value}, timeout=60)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_images(images: RunningServer, image: bytes) -> None:
    (replica,) = images.replicas()
    begun = time.monotonic()
    with Peak(replica) as peak:
        answer = classify(images, image)
    assert (answer.status_code, time.monotonic() - begun < 5) == (413, True), answer.text
    assert "pixels" in answer.json()["error"]
    assert peak.growth < 20_000_000
    file = io.BytesIO()
    Image.new("RGB", (20, 20), (0, 255, 0)).save(file, "PNG")
    assert classify(images, file.getvalue()).json()["outputs"][0]["data"] == ["g"]
    assert images.replicas() == [replica]


# -- archives of models


@cache
def skops_bomb() -> bytes:
    """A megabyte that unpacks to an array of a gigabyte."""
    node = {"__class__": "ndarray", "__module__": "numpy", "__id__": 1, "__loader__": "NdArrayNode"}
    more = {"type": "numpy", "file": "a.npy", "protocol": 2, "_skops_version": "0.11"}
    file, head = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (10**9,)})
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(node | more))
        with archive.open("a.npy", "w") as member:
            member.write(head.getvalue())
            for _ in range(1000):
                member.write(bytes(10**6))
    return file.getvalue()


@pytest.mark.parametrize("name", ["model.skops", "model.pt2", "model.onnx"])
def test_archives_of_models(small: RunningServer, name: str) -> None:
    parameters = {"config": "{}", f"file:1/{name}": base64.b64encode(skops_bomb()).decode()}
    before = set(small.replicas())
    begun = time.monotonic()
    with Peak(small.addresses.pid) as front:
        answer = httpx.post(f"{small.url}{LOAD}", json={"parameters": parameters}, timeout=60)
    assert (answer.status_code, time.monotonic() - begun < 30) == (400, True), answer.text
    assert "unpacks to far more" in answer.json()["error"], "by what is told, before anything is unpacked"
    assert front.growth < MOST_BYTES
    assert set(small.replicas()) >= before
    assert output(infer(small.url, "double")) == [2, 4, 6, 8]


def test_nothing_of_it_was_unforeseen(small: RunningServer, images: RunningServer) -> None:
    assert "Traceback" not in small.logged() + images.logged()
    assert Path(small.home).is_dir()
