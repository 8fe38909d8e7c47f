"""Booby-trapped pickles in every disguise: whoever reads one as a pickle leaves a marker file behind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._marker),)


def _pickled(protocol: int) -> Callable[[Path], bytes]:
    return lambda marker: pickle.dumps({"weights": [1.0], "trap": Trap(marker)}, protocol)


_PLAIN = _pickled(2)


def _zipped(*names: str, content: Callable[[Path], bytes] = _PLAIN) -> Callable[[Path], bytes]:
    def make(marker: Path) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, content(marker))
        return buffer.getvalue()

    return make


def _tarred(marker: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        data = _pickled(4)(marker)
        member = tarfile.TarInfo("storages")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _array(marker: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _fields(marker: Path) -> bytes:
    buffer = io.BytesIO()
    mixed = np.array([(1.0, Trap(marker))], dtype=[("number", "f4"), ("thing", "O")])
    np.save(buffer, mixed, allow_pickle=True)
    return buffer.getvalue()


def _arrays(marker: Path) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, good=np.ones(3), bad=np.array([Trap(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _legacy_torch(marker: Path) -> bytes:
    magic = 0x1950A86A20F9469CFC6C
    return b"".join(pickle.dumps(part, 2) for part in (magic, 1001, {"little_endian": True}, Trap(marker)))


def _padded(marker: Path) -> bytes:
    """Hides the call behind a string that is longer than most look."""
    return pickle.dumps([b"\0" * (3 << 20), Trap(marker)], 4)


def _by_hand(marker: Path) -> bytes:
    """Protocol 0 without any note of the pickler."""
    return f"cos\nmkdir\n(V{marker}\ntR.".encode()


def _packed(pack: Callable[[bytes], bytes]) -> Callable[[Path], bytes]:
    return lambda marker: pack(_pickled(5)(marker))


DISGUISES: Mapping[str, Callable[[Path], bytes]] = {
    **{f"protocol {number}": _pickled(number) for number in range(pickle.HIGHEST_PROTOCOL + 1)},
    "by hand": _by_hand,
    "padded": _padded,
    "legacy torch.save": _legacy_torch,
    "torch.save": _zipped("archive/data.pkl", "archive/version"),
    "TorchScript": _zipped("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"),
    "pickle in a zip": _zipped("model.json", "weights"),
    "zip in a zip": _zipped("inner", content=_zipped("weights")),
    "zip behind an ONNX head": lambda marker: b"\x08\x0a:\x00" + _zipped("weights")(marker),
    "tar": _tarred,
    "joblib with zlib": _packed(zlib.compress),
    "joblib with gzip": _packed(gzip.compress),
    "joblib with bz2": _packed(bz2.compress),
    "joblib with xz": _packed(lzma.compress),
    "joblib with lzma": _packed(lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    "tar in gzip": lambda marker: gzip.compress(_tarred(marker)),
    "object array": _array,
    "object field": _fields,
    "object array in npz": _arrays,
}
"""What it is called -> its bytes, given the marker."""


def is_armed(content: bytes, marker: Path) -> bool:
    """Whether a plain pickle really makes its marker: a trap that cannot spring proves nothing."""
    pickle.loads(content)  # noqa: S301 - ours
    sprung = marker.is_dir()
    if sprung:
        marker.rmdir()
    return sprung
