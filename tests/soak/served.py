"""The server under soak: its models, its keys, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from pumice.service.access.keys import KeyStore
from pumice.service.access.types import KeyWish
from tests.engines.graphs import constant
from tests.soak import census
from tests.support.server import RunningServer

ROOT = Path(__file__).parents[2]
MODELS = "tests.support.models"
RATE = 100_000.0


@dataclass(frozen=True)
class Served:
    """A running server and what its callers need.

    Attributes:
        server: The process.
        folder: Where the files of its models lie.
        key: Key of ordinary callers.
        admin: Key that may do everything.
    """

    server: RunningServer
    folder: Path
    key: str
    admin: str

    def samples(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that have these labels."""
        answer = httpx.get(f"{self.server.url}/metrics", headers=self.bearer(self.admin), timeout=30)
        total = 0.0
        for line in answer.raise_for_status().text.splitlines():
            if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
                total += float(line.rpartition(" ")[2])
        return total

    def calm(self) -> bool:
        """Whether nothing is under way and every replica is ready."""
        return (
            self.samples("pumice_inflight_requests") == 0
            and self.samples("pumice_replicas") == self.samples("pumice_replicas", state="ready")
            and self.samples("pumice_replicas") == len(self.server.replicas())
        )

    def fronts(self) -> list[int]:
        """Process ids of the server's own processes, the parent first."""
        return [self.server.process.pid, *self.server.fronts()]

    def replicas(self, model: str) -> list[int]:
        """Process ids of a model's replicas, the longest-lived first."""
        return census.replicas_of(self.server.replicas(), model)

    @staticmethod
    def bearer(key: str) -> dict[str, str]:
        """The header that shows a key."""
        return {"authorization": f"Bearer {key}"}


@contextmanager
def served(folder: Path, workers: int) -> Iterator[Served]:
    """Start the server; its files lie in this folder."""
    for version in (1, 2):
        constant(folder / "pair" / str(version), version)
        constant(folder / f"swap{version}", version)
    models = [
        {"name": "double", "source": f"{MODELS}:Doubler", "replicas": 2},
        {"name": "picky", "source": f"{MODELS}:Picky", "replicas": 2, "timeout": 1},
        {"name": "pair", "source": str(folder / "pair"), "versions": "all"},
        {"name": "swap", "source": str(folder / "swap1")},
        {"name": "come", "source": f"{MODELS}:Doubler"},
        {"name": "big", "source": f"{MODELS}:Big"},
        {"name": "cached", "source": f"{MODELS}:Doubler", "cache_size": 64 * 1024},
        {"name": "counter", "source": f"{MODELS}:Counter"},
    ]
    settings = {
        "models": models,
        "model_roots": [str(folder)],
        "auth": "keys",
        "rate_limit": RATE,
        "workers": workers,
        "result_ttl": 20,
        "threads": 1,
        "log_level": "warning",
    }
    file = folder / "pumice.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    home = folder / "home"
    store = KeyStore.open(home)
    try:
        admin = store.create(KeyWish(name="admin", scopes=["manage:*", "infer:*", "read:*"]), "soak").key
        key = store.create(KeyWish(name="callers", scopes=["infer:*", "read:*"], rate=RATE), "soak").key
    finally:
        store.close()
    with RunningServer("-f", str(file), home=home, cwd=ROOT) as server:
        yield Served(server, folder, key, admin)
