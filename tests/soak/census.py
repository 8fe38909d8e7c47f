"""What the server holds of the system's things, looked at from outside."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("socket", "memfd", "pipe", "eventpoll", "event", "pidfd")


@dataclass(frozen=True)
class Census:
    """One look.

    Attributes:
        counts: How many of each thing there are, by its name.
        front: Memory of the front processes (bytes, shared pages by their part).
        replicas: The same of each replica, by its process id.
    """

    counts: dict[str, int]
    front: int
    replicas: dict[int, int] = field(default_factory=dict)


def look(fronts: list[int], replicas: list[int]) -> Census:
    """Look at these processes and at the places where the server may leave something.

    Raises:
        OSError: One of them has just ended; look again.
    """
    held = Counter[str]()
    for pid in fronts:
        for link in links_of(pid):
            held["front fds"] += 1
            held[f"front {_kind(link)}"] += 1
    held["replica fds"] = sum(len(links_of(pid)) for pid in replicas)
    held["replica memfds"] = sum(_kind(link) == "memfd" for pid in replicas for link in links_of(pid))
    held["front threads"] = sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in fronts)
    held["processes"] = len(family(fronts[0]))
    held["zombies"] = sum(_state(pid) == "Z" for pid in family(fronts[0]))
    held["/dev/shm"] = sum(path.name.startswith("pumice") for path in Path("/dev/shm").iterdir())  # noqa: S108
    held["run folder"] = sum(1 for folder in run_folders(fronts[0]) for _ in folder.iterdir())
    memory = {pid: resident(pid) for pid in [*fronts, *replicas]}
    return Census(dict(held), sum(memory[pid] for pid in fronts), {pid: memory[pid] for pid in replicas})


def links_of(pid: int) -> list[str]:
    """Where each open descriptor of a process leads."""
    links = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(fd.readlink()))
        except FileNotFoundError:  # closed since
            continue
    return links


def resident(pid: int) -> int:
    """Memory of a process, shared pages by their part (bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def family(pid: int) -> list[int]:
    """A process and all that come from it, as far as their parents live."""
    found, grown = [], [pid]
    while grown:
        one = grown.pop()
        found.append(one)
        try:
            threads = list(Path(f"/proc/{one}/task").iterdir())
            for thread in threads:
                grown += map(int, (thread / "children").read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def replicas_of(pids: list[int], model: str) -> list[int]:
    """Those that serve a model, the longest-lived first; the memory that they share with the front names it."""
    mark = f"memfd:pumice-{model}/"
    named = []
    for pid in pids:
        try:
            if any(mark in link for link in links_of(pid)):
                named.append((_started(pid), pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [pid for _, pid in sorted(named)]


def run_folders(pid: int) -> list[Path]:
    """The folders of a server's run, found by the lock that it holds on them."""
    inside = f"{tempfile.gettempdir()}/pumice-run-"
    return [Path(link).parent for link in links_of(pid) if link.startswith(inside) and link.endswith("/lock")]


def _kind(link: str) -> str:
    word = link.removeprefix("/").removeprefix("anon_inode:").strip("[]").partition(":")[0]
    return word if word in KINDS else "anon" if "inode" in link else "file"


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _state(pid: int) -> str:
    try:
        return _stat(pid)[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def _started(pid: int) -> int:
    return int(_stat(pid)[19])
