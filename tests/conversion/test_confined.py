"""What a hostile file cannot do: each attack is really made, from inside of a real confined process."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pumice.domain.errors import BadArtefact
from pumice.runtime.confined import Ended, Limits, Work, missing, run_confined
from tests.conversion.hostile import Run, line_of

pytestmark = pytest.mark.skipif(bool(missing()), reason="this system cannot enforce the sandbox")

LIMITS = Limits(seconds=60, memory=512 << 20, written=32 << 20, files=200, threads=32)
HERE = "tests.conversion.hostile"


@dataclass
class Scene:
    """What stands around a hostile file.

    Attributes:
        folder: The user's files.
        out: Where results may go.
        home: With a key.
        port: Somebody listens there.
    """

    folder: Path
    out: Path
    home: Path
    port: int

    def run(self, function: str, limits: Limits = LIMITS, *, confined: bool = True, source: str = "model.pkl") -> Any:
        work = Work(function, self.folder / source, self.out, {}, (HERE,), (str(self.home),))
        return run_confined(work, limits, os.environ, lambda _: None, confined=confined)

    def tries(self, *, confined: bool = True, **tries: list[object]) -> dict[str, str]:
        """Make tries from inside of a pickle."""
        (self.folder / "model.pkl").write_bytes(pickle.dumps(Run(line_of(tries))))
        found: dict[str, str] = self.run(f"{HERE}:load", confined=confined)
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    folder, out, home = tmp_path / "files", tmp_path / "out", tmp_path / "home"
    for made in (folder, out, home):
        made.mkdir()
    (home / "signing.key").write_text("secret")
    (folder / "mine").write_text("precious")
    (folder / "model.pkl").write_bytes(b"")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Scene(folder, out, home, listener.getsockname()[1])


def test_it_reaches_no_file_but_its_own(scene: Scene, tmp_path: Path) -> None:
    mine, key = str(scene.folder / "mine"), str(scene.home / "signing.key")
    before = Path(mine).stat()
    told = scene.tries(
        read=[key],
        list=[str(scene.home)],
        write=[str(scene.folder / "marker")],
        remove=[mine],
        rename=[mine, str(scene.out / "stolen")],
        truncate=[mine, 0],
        link=[mine, str(scene.out / "linked")],
        folder=[str(scene.out / "folder")],
        chmod=[mine, 0o777],
        times=[mine, (0, 0)],
        attribute=[mine],
        terminal=[],
        environment=[os.getpid()],
    )
    assert set(told.values()) <= {"PermissionError", "OSError", "FileNotFoundError"}, told
    assert Path(mine).stat() == before
    assert Path(mine).read_text() == "precious"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "files",
        "home",
        "mine",
        "model.pkl",
        "out",
        "signing.key",
    ]
    shared_memory = "/dev/shm/pumice-hostile"  # noqa: S108 - the attack
    assert scene.tries(read=[str(scene.folder / "mine")], write=[shared_memory]) == {
        "read": "PermissionError",
        "write": "PermissionError",
    }
    assert scene.tries(write=[str(scene.out / "result")], read=[str(scene.folder / "model.pkl")]) == {
        "read": "done",
        "write": "done",
    }


def test_it_talks_to_nobody_and_starts_nothing(scene: Scene, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        told = scene.tries(
            connect=[scene.port],
            listen=[],
            unix=[path],
            fork=[],
            start=[],
            become=[],
            kill=[os.getpid()],
            owned=[os.getpid()],
            trace=[os.getpid()],
            key=[],
            shared=[],
            memfd=[],
            share=[1 << 20],
            unlimit=[],
        )
    assert set(told.values()) <= {"PermissionError", "OSError", "ValueError"}, told
    assert scene.tries(thread=[], allocate=[1 << 30]) == {"thread": "done", "allocate": "MemoryError"}


def test_the_tries_are_real(scene: Scene) -> None:
    told = scene.tries(confined=False, read=[str(scene.home / "signing.key")], connect=[scene.port], fork=[], start=[])
    assert set(told.values()) == {"done"}


@pytest.mark.parametrize(
    ("attack", "limits", "problem"),
    [
        ("sleep", replace(LIMITS, seconds=1), "longer than 1 s"),
        ("spin", replace(LIMITS, seconds=1), "longer than 1 s"),
        ("swarm", LIMITS, "32 threads"),
        ("fill", LIMITS, "wrote more than 32 MiB"),
        ("scatter", LIMITS, "200 files"),
        ("crash", LIMITS, "without a word"),
        ("babble", LIMITS, "without a word"),
        ("gorge", LIMITS, "more than 512 MiB of memory"),
    ],
)
def test_it_is_ended_when_it_takes_too_much(scene: Scene, attack: str, limits: Limits, problem: str) -> None:
    with pytest.raises(BadArtefact if attack == "gorge" else Ended, match=problem):
        scene.run(f"{HERE}:{attack}", limits)


def test_what_it_raises_is_one_line(scene: Scene) -> None:
    with pytest.raises(BadArtefact, match=r"cannot be read \(UnpicklingError|EOFError"):
        scene.run(f"{HERE}:load")
