"""Transfers that break off: kill -9 of a client and of a server, and what a server keeps of a push until its end."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pumice import Client, Store
from pumice.client import ConnectionFailed
from pumice.domain.errors import PumiceError, StorageFailed, UploadNotFound
from pumice.domain.store.wishes import UploadFile, UploadWish
from pumice.service.store.upload_limits import UploadLimits
from pumice.service.store.uploads import Uploads
from tests.store.folders import MIB, contents, model_at
from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
DOUBLER = "double=tests.support.models:Doubler"

KILLED = """
import os, signal, sys
from pumice import Client
url, act, place = sys.argv[1:4]
moves = 0

def tell(done, total):
    global moves
    moves += done == total  # the reading before a push ends so, too
    if (act == "pull" or moves) and total // 4 < done < total:
        os.kill(os.getpid(), signal.SIGKILL)

with Client(url) as client:
    if act == "push":
        client.store.push(place, "m", progress=tell)
    else:
        client.store.pull("m@1", place, tell, trust=None)
"""


def killed_client(url: str, act: str, place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, url, act, str(place)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL


def test_kill_9_of_either_side_in_the_middle_of_a_push_and_a_pull(tmp_path: Path) -> None:
    """Client, then server, die in a push; client, then server, in a pull. Each next try goes on where it was."""
    model, out, home = model_at(tmp_path / "model", size=24 * MIB), tmp_path / "out", tmp_path / "home"

    def dying(server: RunningServer, begins: int, at: int, told: list[int]) -> Callable[[int, int], None]:
        """Kill the server when so many bytes went over, in the ``begins``-th phase."""
        phases = 0

        def tell(done: int, total: int) -> None:
            nonlocal phases
            phases += done == total
            if phases >= begins:
                told.append(done)
                if at < done < total:
                    server.kill()

        return tell

    told: list[int] = []
    with RunningServer(DOUBLER, home=home, cwd=ROOT) as server, Client(server.url, retries=0) as client:
        killed_client(server.url, "push", model)
        with pytest.raises(ConnectionFailed):
            client.store.push(model, "m", progress=dying(server, 1, 14 * MIB, told))
        assert told[1] > 6 * MIB  # it went on where the dead client was
    told.clear()
    with RunningServer(DOUBLER, home=home, cwd=ROOT) as server, Client(server.url, retries=0) as client:
        record = client.store.push(model, "m", progress=lambda done, _total: told.append(done))
        assert min(told[told.index(max(told)) + 1 :]) > 14 * MIB
        assert (record.version, [one.version for one in client.store.versions("m")]) == (1, [1])
        killed_client(server.url, "pull", out)
        assert not out.exists()
        told.clear()
        with pytest.raises(ConnectionFailed):
            client.store.pull("m@1", out, dying(server, 0, 14 * MIB, told), trust=None)
        assert not out.exists()
    told.clear()
    with RunningServer(DOUBLER, home=home, cwd=ROOT) as server, Client(server.url, retries=0) as client:
        client.store.pull("m@1", out, lambda done, _total: told.append(done), trust=None)
        assert client.store.verify().problems == []
    assert contents(out) == contents(model)


def wish_of(folder: Path) -> UploadWish:
    files = sorted(contents(folder).items())
    return UploadWish(files=[UploadFile(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in files])


def send(uploads: Uploads, folder: Path, wish: UploadWish) -> str:
    state = uploads.begin("m", wish, MIB)
    for number, file in enumerate(wish.files):
        uploads.write("m", state.id, number, 0, (folder / file.path).read_bytes())
    return state.id


def test_a_push_that_died_before_it_could_tell_is_found_again(tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", size=100)
    with Store(tmp_path / "home") as store:
        uploads, wish = Uploads(store, UploadLimits()), wish_of(model)
        upload = send(uploads, model, wish)
        place = tmp_path / "home" / "cache" / "uploads" / upload
        (place / ".done.json.part").mkdir()  # it is in the store, and that cannot be written down
        with pytest.raises(StorageFailed):
            uploads.finish("m", upload)
        assert [record.version for record in store.versions("m")] == [1]
        (place / ".done.json.part").rmdir()
        assert uploads.finish("m", upload).version == 1
        state = uploads.begin("m", wish, MIB)  # its caller never heard of it, and begins anew
        assert state.record is not None
        assert state.record.version == 1
        uploads.forget("m", upload)
        assert uploads.finish("m", send(uploads, model, wish)).version == 2  # another push of the same files


def test_limits(tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", size=1000)
    wish = wish_of(model)
    with Store(tmp_path / "home") as store:
        for limits, refusal in (
            (UploadLimits(most_bytes=0), "set push_max_bytes"),
            (UploadLimits(most_bytes=1000), "at most 1000"),
            (UploadLimits(pending_bytes=1000), "not finished"),
        ):
            with pytest.raises(PumiceError, match=refusal):
                Uploads(store, limits).begin("m", wish, MIB)
        uploads = Uploads(store, UploadLimits(pending_bytes=wish.size))
        first = uploads.begin("m", wish, MIB)
        other = UploadWish(files=wish.files, reason="another")
        with pytest.raises(PumiceError, match="not finished"):
            uploads.begin("m", other, MIB)
        about = tmp_path / "home" / "cache" / "uploads" / first.id / "wish.json"
        os.utime(about, (0, 0))  # nobody went on with it for long
        assert uploads.begin("m", other, MIB).id != first.id
        assert not about.exists()
        with pytest.raises(UploadNotFound):
            uploads.finish("m", first.id)
