"""A sealed version is served, and nothing of it comes to a disk on the way."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

import pumice
from pumice import Store
from pumice.service.store.types import PushWish
from pumice.store.seal_keys import file
from tests.cli.command import pumice as run_pumice
from tests.engines.graphs import mlp
from tests.support.server import RunningServer

SENTIMENT = Path(pumice.__file__).parent / "assets" / "sentiment"
SEAL = PushWish(seal=True)
PIECE = 48
"""Bytes that are looked for; no other file has them by chance."""


def pieces_of(folder: Path) -> list[bytes]:
    """What nobody may find: a piece of every file, and the digest of each."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and len(data := path.read_bytes()) > 4 * PIECE:
            found += [data[start : start + PIECE] for start in (len(data) // 3, len(data) // 2, len(data) - PIECE)]
            found.append(hashlib.sha256(data).hexdigest().encode())
    return found


def external(folder: Path) -> None:
    """A network whose weights lie beside it."""
    folder.mkdir()
    model = onnx.load(mlp(folder / "inner.onnx", (16, 256, 256, 4)))
    (folder / "inner.onnx").unlink()
    onnx.save_model(
        model, folder / "model.onnx", save_as_external_data=True, location="weights.data", size_threshold=64
    )


def on_disk(server: RunningServer, *folders: Path) -> Iterator[tuple[str, bytes]]:
    """Every file that the server, or a process of it, has below folders or has open, by name."""
    for path in (path for folder in folders for path in folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path), path.read_bytes()
    for pid in (server.process.pid, *server.replicas(), *server.fronts()):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = str(link.readlink())
            if target.startswith("/") and not target.startswith(("/memfd:", "/dev/", "/proc/")):
                yield f"{pid}: {target}", link.read_bytes() if link.is_file() else b""
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            mapped = line.split(maxsplit=5)[-1]
            assert not mapped.endswith("(deleted)") or mapped.startswith(("/memfd:", "/dev/zero")), line


@pytest.fixture
def sealing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    file.create(tmp_path / "key")
    monkeypatch.setenv("PUMICE_SEAL_KEY", f"file:{tmp_path / 'key'}")
    # its folder of the run too, so that all of it is looked at; short, since sockets lie there
    with tempfile.TemporaryDirectory(prefix="pumice-t-") as short, Store(home) as store:
        monkeypatch.setenv("TMPDIR", short)
        yield store


def test_nothing_of_a_sealed_version_comes_to_a_disk(sealing: Store, home: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SENTIMENT, source / "sentiment")
    external(source / "net")
    known = pieces_of(source)
    for name in ("sentiment", "net"):
        sealing.push(source / name, name, SEAL)
    given = np.ones((2, 16), np.float32)
    shutil.rmtree(source)
    with (
        RunningServer("sentiment", "net", home=home) as server,
        pumice.Client(server.addresses.url) as client,
    ):
        answers = client.predict("sentiment", ["味道很好,下次还来", "太差了,再也不来了"])
        assert [answer["label"] for answer in answers] == ["positive", "negative"]
        assert client.infer("net", {"x": given})["y"].shape == (2, 4)
        looked_at = 0
        for name, data in on_disk(server, tmp_path, Path(os.environ["TMPDIR"])):
            looked_at += 1
            assert not any(piece in data for piece in known), name
        assert looked_at > 5
        for pid in (server.process.pid, *server.replicas()):
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert next(line.split()[4:6] for line in limits.splitlines() if "core file" in line) == ["1", "1"]


def test_without_its_key_a_sealed_version_is_not_served(
    sealing: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealing.push(SENTIMENT, "sentiment", SEAL)
    file.create(tmp_path / "other")
    for setting in ("", f"file:{tmp_path / 'other'}"):
        environ = {"PUMICE_HOME": str(home), "PUMICE_SEAL_KEY": setting}
        done = run_pumice("serve", "sentiment@1", "--port", "0", environ=environ)
        assert (done.returncode, "'seal_key'" in done.stderr) == (2, True), done.stderr
