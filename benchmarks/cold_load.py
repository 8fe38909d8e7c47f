"""A model of 1 GB from a cold cache to a ready engine: from its plain files, from the store, and from a sealed version.

Each load is a process of its own that has imported everything before the clock starts. The files' pages are dropped
from the system's cache, and as much memory as a load takes is touched and given back, so that a virtual machine's host
has granted it to each alike. In each round all loads run one after the other, and ratios are taken within a round.
"""

import json
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.samples import Results, middle

LENGTH = int(os.environ.get("BENCH_STORE_BYTES", str(1 << 30)))
NAMES = {"verified": "model", "unsealed": "sealed"}
WAYS = ("plain", *NAMES)
WIDTH, INNER, WORDS = 1024, 4096, 16_384
_WEIGHTS = "model.onnx.data"
_PAGE = 4096


def run_cold_loads(rounds: int, results: Results) -> None:
    """Measures loads in turn, and keeps medians and ratios by the plain one; prints their ranges."""
    with tempfile.TemporaryDirectory(prefix="pumice-cold-") as name:
        folder = Path(name)
        _prepare(folder)
        taken: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for turn in range(max(rounds, 3)):
            first = turn % len(WAYS)
            for way in WAYS[first:] + WAYS[:first]:
                taken[way].append(_measured(way, folder))
    for way, pairs in taken.items():
        for at, figure in enumerate(("seconds", "cpu_seconds")):
            results.extras[f"store_cold_{way}_{figure}"] = middle(pair[at] for pair in pairs) or 0.0
    for way in NAMES:
        for at, figure in enumerate(("time", "cpu")):
            ratios = [own[at] / plain[at] for own, plain in zip(taken[way], taken["plain"], strict=True)]
            results.extras[f"store_cold_{way}_{figure}_of_plain"] = middle(ratios) or 0.0
            results.extras[f"store_cold_{way}_{figure}_of_plain_least"] = min(ratios)
            print(
                f"store  cold to ready, {way}: {figure} {middle(ratios):.2f} x that of plain files"
                f" ({min(ratios):.2f} to {max(ratios):.2f}, load {os.getloadavg()[0]:.0f})",
                flush=True,
            )


def _measured(way: str, folder: Path) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.cold_load", way, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return told["seconds"], told["cpu_seconds"]


def _prepare(folder: Path) -> None:
    """Write the model, and push it plain and sealed."""
    from pumice import Store
    from pumice.service.store.types import PushWish
    from pumice.store.seal_keys import file

    _write_model(folder / "plain", LENGTH)
    file.create(folder / "seal.key")
    with Store(folder / "home", seal_key=f"file:{folder / 'seal.key'}") as store:
        store.push(folder / "plain", NAMES["verified"])
        store.push(folder / "plain", NAMES["unsealed"], PushWish(seal=True))


def _write_model(folder: Path, length: int) -> None:
    """Layers of a transformer's matrices behind a table of words, the weights in a file of their own."""
    from onnx import NodeProto, TensorProto, helper

    folder.mkdir()
    random = np.random.default_rng(0)
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []
    with (folder / _WEIGHTS).open("wb") as data:

        def weight(name: str, *shape: int) -> str:
            data.write(bytes(-data.tell() % _PAGE))
            made = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
            values = random.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
            place = {"location": _WEIGHTS, "offset": str(data.tell()), "length": str(values.nbytes)}
            for key, value in place.items():
                made.external_data.add(key=key, value=value)
            data.write(values.tobytes())
            weights.append(made)
            return name

        def layer(at: str, name: str, wide: int, out: int) -> str:
            nodes.append(helper.make_node("MatMul", [at, weight(f"{name}.w", wide, out)], [f"{name}.m"]))
            nodes.append(helper.make_node("Add", [f"{name}.m", weight(f"{name}.b", out)], [name]))
            return name

        nodes.append(helper.make_node("Gather", [weight("words", WORDS, WIDTH), "ids"], ["0"]))
        at = "0"
        for number in range(1, max(2, (length - data.tell()) // (4 * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)))):
            for part in "qkvo":
                at = layer(at, f"{number}.{part}", WIDTH, WIDTH)
            nodes.append(helper.make_node("Relu", [layer(at, f"{number}.up", WIDTH, INNER)], [f"{number}.r"]))
            at = layer(f"{number}.r", f"{number}.down", INNER, WIDTH)
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch"])
    out = helper.make_tensor_value_info(at, TensorProto.FLOAT, ["batch", WIDTH])
    graph = helper.make_graph(nodes, "layers", [ids], [out], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _load(way: str, folder: Path) -> dict[str, float]:
    """Load once, in this process."""
    import onnxruntime  # noqa: F401 - not what is measured

    from pumice import Store
    from pumice.domain.model import Manifest
    from pumice.engines.base import EngineConfig
    from pumice.engines.registry import load_engine

    manifest = Manifest(format="onnx")
    threads = len(os.sched_getaffinity(0))
    links = folder / f"links-{os.getpid()}"
    with Store(folder / "home", seal_key=f"file:{folder / 'seal.key'}") as store:
        _cool(folder)
        _touch(3 * LENGTH)
        begun, before = time.perf_counter(), _cpu()
        if way == "plain":
            path = folder / "plain" / "model.onnx"
        else:
            links.mkdir()
            for file in store.hold(NAMES[way]).files:
                (links / file.path).symlink_to(f"/proc/self/fd/{file.fd}")
            path = links / "model.onnx"
        config = EngineConfig(
            source=way, path=str(path), manifest=manifest, threads=threads, provider="cpu", held=way != "plain"
        )
        engine = load_engine(config)
        told = {"seconds": time.perf_counter() - begun, "cpu_seconds": _cpu() - before}
        engine.run({"ids": np.arange(8)}, {})
    return told


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cool(folder: Path) -> None:
    """Drop the pages of all files from the system's cache."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def _touch(length: int) -> None:
    with mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE):
        pass


if __name__ == "__main__":
    print(json.dumps(_load(sys.argv[1], Path(sys.argv[2]))))
