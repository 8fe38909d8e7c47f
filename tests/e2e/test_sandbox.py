"""What a model's code cannot do to the machine, tried from inside of a real replica."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from pumice.runtime.worker.sandbox import offered
from tests.support.server import RunningServer
from tests.support.wire import body, infer

ROOT = Path(__file__).parents[2]
SECRET = "not-for-models"
LIMIT = 1 << 30

pytestmark = pytest.mark.skipif(not all(offered().values()), reason="this system enforces only a part of the sandbox")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("sandbox")
    models = [
        {"name": "nosy", "source": "tests.support.models:Nosy", "memory_limit": LIMIT},
        {"name": "online", "source": "tests.support.models:Nosy", "network": True},
        {"name": "free", "source": "tests.support.models:Nosy", "sandbox": "off"},
    ]
    file = folder / "pumice.yaml"
    file.write_text(yaml.safe_dump({"models": models}), encoding="utf-8")
    home = folder / "home"
    home.mkdir()
    (home / "key").write_text(SECRET, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUMICE_HOME", str(home))
        patch.setenv("PUMICE_MAX_TASKS", "123456789")  # stands for a secret that is given in the environment
        with RunningServer("-f", str(file), home=home, cwd=ROOT) as running:
            yield running


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def told(server: RunningServer, model: str, do: str, what: object = "") -> str:
    answer = infer(server.url, model, parameters={"do": do, "what": str(what)})
    assert answer.status_code == 200, answer.text
    said: str = answer.json()["outputs"][0]["data"][0]
    return said


def test_it_writes_only_in_its_scratch_folder(server: RunningServer, tmp_path: Path) -> None:
    assert told(server, "nosy", "write", tmp_path / "file") == "PermissionError"
    assert told(server, "nosy", "write", ROOT / "file") == "PermissionError"
    assert told(server, "nosy", "scratch") == "4"
    assert told(server, "nosy", "cache") == "4"
    assert not list(tmp_path.iterdir())
    assert told(server, "free", "write", tmp_path / "file") == "8"


def test_it_reads_what_it_needs_and_not_the_home(server: RunningServer) -> None:
    assert told(server, "nosy", "read", ROOT / "README.md") != "PermissionError"
    assert told(server, "nosy", "read", server.home / "key") == "PermissionError"
    assert told(server, "free", "read", server.home / "key") == str(SECRET[:4].encode())


def test_its_children_are_no_freer(server: RunningServer) -> None:
    assert told(server, "nosy", "child", ROOT / "README.md") == "0"
    assert told(server, "nosy", "child", server.home / "key") == "1"


def test_it_connects_to_nobody(server: RunningServer, listening: int, tmp_path: Path) -> None:
    assert told(server, "nosy", "connect", listening) == "PermissionError"
    assert told(server, "online", "connect", listening) == "None"
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(path)
        local.listen()
        assert told(server, "nosy", "unix", path) == "PermissionError"


def test_it_cannot_touch_the_server(server: RunningServer) -> None:
    assert told(server, "nosy", "signal") == "PermissionError"
    assert told(server, "free", "signal") == "None"


def test_settings_in_the_environment_are_not_there_to_be_read(server: RunningServer) -> None:
    assert b"123456789" not in Path(f"/proc/{server.process.pid}/environ").read_bytes()
    for pid in server.replicas():
        assert b"PUMICE_" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_memory_beyond_the_limit_is_the_one_callers_error(server: RunningServer) -> None:
    before = server.replicas()
    answer = infer(server.url, "nosy", parameters={"do": "allocate", "what": str(2 * LIMIT)})
    assert answer.status_code == 500
    assert "memory_limit" in answer.json()["error"]
    assert told(server, "nosy", "allocate", 1000) == "1000"
    assert server.replicas() == before


def test_the_kernel_takes_a_replica_before_the_server(server: RunningServer) -> None:
    scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text("ascii")) for pid in server.replicas()]
    own = int(Path(f"/proc/{server.process.pid}/oom_score_adj").read_text("ascii"))
    assert sorted(scores) == [own, 500, 500]  # the free one is as the server is


def test_nothing_of_a_run_is_left_even_of_one_that_was_killed() -> None:
    def folders() -> set[str]:
        return {path.name for path in Path(tempfile.gettempdir()).glob("pumice-run-*") if (path / "lock").exists()}

    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as first:
        killed = _folder_of(first)
        assert killed in folders()
        first.kill()
    with RunningServer("double=tests.support.models:Doubler", cwd=ROOT) as second:
        assert killed not in folders()
        own = _folder_of(second)
        assert httpx.post(f"{second.url}/v2/models/double/infer", json=body(), timeout=60).status_code == 200
    assert own not in folders()


def _folder_of(server: RunningServer) -> str:
    fds = Path(f"/proc/{server.process.pid}/fd")
    locks = [fd.readlink() for fd in fds.iterdir() if fd.readlink().name == "lock"]
    assert len(locks) == 1
    return locks[0].parent.name
