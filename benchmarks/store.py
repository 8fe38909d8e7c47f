"""The model store: transfers beside a plain copy with SHA-256, answers of a large store, loads from a cold cache."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec import structs

from benchmarks.cold_load import run_cold_loads
from benchmarks.samples import Results, middle
from pumice import Store
from pumice.db import Place, packs, versions
from pumice.db.engine import open_database
from pumice.service.store.aliases import Mover, Step, note
from pumice.service.store.types import PushWish
from pumice.store.seal_keys import file

KEY = "store"
GIB = 1 << 30
LENGTH = int(os.environ.get("BENCH_STORE_BYTES", GIB))
POSTGRES = os.environ.get("BENCH_POSTGRES", "")
"""URL of an empty database, if a large store is to be asked there too."""
CHANGED = 0.01
MODELS, VERSIONS = 1_000, 10
ASKED = 30


def run_store(rounds: int, results: Results) -> None:
    """Measures, in each round one after the other, and keeps medians and their paired ratios."""
    with tempfile.TemporaryDirectory(prefix="pumice-store-") as name:
        folder = Path(name)
        _transfers(folder, max(rounds, 1), results)
        for kind, url in (("", ""), ("_postgres", POSTGRES)):
            if url or not kind:
                _answers(folder / f"many{kind}", url, kind, results)
    run_cold_loads(rounds, results)


def _transfers(folder: Path, rounds: int, results: Results) -> None:
    source = folder / "model.safetensors"
    _write_model(source, LENGTH)
    spans: dict[str, list[float]] = {}
    key = folder / "seal.key"
    file.create(key)
    for number in range(rounds):
        target = folder / "copy"
        with Store(folder / f"home-{number}", seal_key=f"file:{key}") as store:
            steps: dict[str, Callable[[], object]] = {
                "copy": lambda target=target: _copy_and_hash(source, target),
                "push": lambda store=store: store.push(source, "model"),
                "pull": lambda store=store: store.pull("model", folder / "pulled"),
                "verify": lambda store=store: store.verify("model"),
                "hold": lambda store=store: store.hold("model").close(),
                "push_sealed": lambda store=store: store.push(source, "sealed", PushWish(seal=True)),
                "pull_unsealed": lambda store=store: store.pull("sealed", folder / "unsealed", unseal=True),
                "hold_unsealed": lambda store=store: store.hold("sealed").close(),
            }
            for step, run in steps.items():
                spans.setdefault(step, []).append(_seconds(run))
            if not number:
                results.extras["store_sibling_share"] = _sibling(store, source)
        target.unlink()
        shutil.rmtree(folder / "pulled")
        shutil.rmtree(folder / "unsealed")
        shutil.rmtree(folder / f"home-{number}")
    for step, taken in spans.items():
        results.extras[f"store_{step}_mb_per_second"] = LENGTH / 1e6 / (middle(taken) or 1.0)
    for step in ("push", "pull", "verify"):
        ratio = middle(copy / own for copy, own in zip(spans["copy"], spans[step], strict=True)) or 0.0
        results.extras[f"store_{step}_of_copy"] = ratio
        print(f"store  {step} {ratio:.2f} x the speed of copy + SHA-256", flush=True)
    for step, plain in (("push_sealed", "push"), ("pull_unsealed", "pull"), ("hold_unsealed", "hold")):
        ratio = middle(sealed / own for sealed, own in zip(spans[step], spans[plain], strict=True)) or 0.0
        results.extras[f"store_{step}_of_{plain}"] = ratio
        print(f"store  {step} takes {ratio:.2f} x the time of {plain}", flush=True)
    print(f"store  a sibling takes {results.extras['store_sibling_share']:.2%} more", flush=True)


def _write_model(path: Path, length: int) -> None:
    """Weights of a normal distribution, as real ones nearly are."""
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for _ in range(length // (4 << 22)):
            file.write(random.standard_normal(1 << 22, dtype=np.float32).tobytes())


def _copy_and_hash(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())
        hashlib.file_digest(file, "sha256")


def _sibling(store: Store, source: Path) -> float:
    """The share of its size that a version takes of which 1 % in one region is new."""
    before = source.read_bytes()[:0]
    length = int(LENGTH * CHANGED)
    with source.open("r+b") as file:
        file.seek(LENGTH // 3)
        before = file.read(length)
        file.seek(LENGTH // 3)
        file.write(os.urandom(length))
    record = store.push(source, "model")
    with source.open("r+b") as file:
        file.seek(LENGTH // 3)
        file.write(before)
    return record.stored / record.size


def _fill(home: Path, url: str, source: Path) -> None:
    """Enters versions as pushes do, unsigned and all in one transaction: 10,000 pushes would take most of the time."""
    source.write_text('{"a": "model"}')
    with Store(home, database=url) as store:
        record = store.push(source, "model-0")
    engine = open_database(Place(home, url))
    with engine.begin() as connection:
        used = packs.used_by(connection, "model-0", 1)
        chunks = {os.urandom(32): (place, 1) for place in range(3 * MODELS * VERSIONS)}
        packs.enter(connection, packs.PackRow(id="none", size=0, digest="", created=record.created), chunks)
        for model in range(MODELS):
            name = f"model-{model}"
            for version in range(1 if model else 2, VERSIONS + 1):
                versions.next_number(connection, name)
                versions.add(connection, structs.replace(record, model=name, version=version), [])
                packs.use(connection, name, version, used)
                note(connection, Step("push", name, "", version, None), Mover("bench", record.created))
    engine.dispose()


def _answers(home: Path, url: str, kind: str, results: Results) -> None:
    """Asks a store with many versions."""
    _fill(home, url, home.with_name("small.json"))
    with Store(home, database=url) as store:
        for turn in range(ASKED):
            store.statements.sign(f"model-{turn}")
        asked: dict[str, Callable[[int], object]] = {
            "list": lambda _turn: store.models(),
            "show": lambda turn: store.show(f"model-{turn}@{turn % VERSIONS + 1}"),
            "alias": lambda turn: store.alias(f"model-{turn}", "prod", turn % VERSIONS + 1),
        }
        for name, ask in asked.items():
            taken = [_seconds(lambda turn=turn, ask=ask: ask(turn)) for turn in range(ASKED)]
            key = f"store_{name}{kind}_ms"
            results.extras[key] = (middle(taken) or 0.0) * 1000
            print(
                f"store  {name}{kind} {results.extras[key]:.1f} ms of {MODELS * VERSIONS} versions",
                f"({min(taken) * 1000:.1f} at least)",
                flush=True,
            )


def _seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun
