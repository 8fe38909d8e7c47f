"""`make bench`: Pumice and its peers side by side.

    python -m benchmarks.run
    python -m benchmarks.run --workload A --peers pumice,mosec --rounds 3 --seconds 5
    python -m benchmarks.run --report .bench/results/latest.json --publish

Results land in `.bench/results/` (JSON, Markdown, SVG); `--publish` also writes `docs/benchmarks.md` with its charts.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

from benchmarks import grpc, overload, paths, registries, shared_memory, store
from benchmarks.bounds import all_bounds
from benchmarks.chart import draw
from benchmarks.flood_report import draw_floods
from benchmarks.kills import run_kills
from benchmarks.machine import machine, version
from benchmarks.optimize import olive, racing
from benchmarks.optimize.page import optimize_page
from benchmarks.pairs import PAIRS, run_pair
from benchmarks.report import as_markdown, as_text
from benchmarks.rounds import Plan, run_rounds
from benchmarks.samples import Results
from benchmarks.servers import SERVERS
from benchmarks.setup_peers import setup
from benchmarks.startup import run_startup
from benchmarks.workloads import WORKLOADS

PARTS = (
    *WORKLOADS,
    grpc.KEY,
    shared_memory.KEY,
    *PAIRS,
    "start",
    "kills",
    store.KEY,
    registries.KEY,
    overload.KEY,
    racing.KEY,
)


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default=",".join(PARTS), help=f"which parts: {', '.join(PARTS)}; comma-separated")
    parser.add_argument("--peers", default=",".join(SERVERS), help="which servers, pumice among them; comma-separated")
    parser.add_argument("--connections", default="", help="only these numbers of connections; comma-separated")
    parser.add_argument("--rounds", type=int, default=5, help="rounds over all servers")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measured window")
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds of load before each window")
    parser.add_argument("--starts", type=int, default=10, help="cold starts of each server")
    parser.add_argument("--no-setup", action="store_true", help="take environments and models as they are")
    parser.add_argument("--report", type=Path, help="measure nothing; write the tables of this JSON file anew")
    parser.add_argument("--publish", action="store_true", help="write docs/benchmarks.md and its chart")
    parser.add_argument("--gate", action="store_true", help="exit with 1 if a bound does not hold")
    given = parser.parse_args()
    for option, known in (("workload", PARTS), ("peers", tuple(SERVERS))):
        unknown = sorted(set(getattr(given, option).split(",")) - set(known))
        if unknown:
            parser.error(f"--{option}: unknown {', '.join(unknown)}; known are {', '.join(known)}")
    return given


def run(given: argparse.Namespace) -> Results:
    """Measures what was asked for."""
    servers, parts = tuple(given.peers.split(",")), given.workload.split(",")
    if not given.no_setup:
        setup(
            [
                *(name for name in servers if name != "pumice"),
                *([registries.PEER] if registries.KEY in parts else []),
                *([olive.PEER] if racing.KEY in parts else []),
            ]
        )
    counts = tuple(int(count) for count in given.connections.split(",") if count)
    plan = Plan(servers, given.rounds, given.seconds, given.warmup, counts)
    about = machine() | {"rounds": plan.rounds, "seconds": plan.seconds, "warmup": plan.warmup}
    results = Results(machine=about, versions={name: version(name) for name in servers})
    for key in parts:
        measure(key, given, plan, results)
        write(results)  # what has been measured is kept if a later part breaks
    return results


def measure(key: str, given: argparse.Namespace, plan: Plan, results: Results) -> None:
    """Measures one part."""
    special = {
        grpc.KEY: lambda: grpc.run_grpc(plan, results),
        shared_memory.KEY: lambda: shared_memory.run_shared_memory(plan, results),
        "start": lambda: run_startup(plan.servers, given.starts, results),
        "kills": lambda: run_kills(results),
        registries.KEY: lambda: registries.run_registries(given.rounds, results),
        store.KEY: lambda: store.run_store(given.rounds, results),
        racing.KEY: lambda: racing.run_optimize(results),
        overload.KEY: lambda: overload.run_overload(plan, results),
    }
    if key in special:
        special[key]()
    elif key in PAIRS:
        run_pair(plan, PAIRS[key], results)
    else:
        run_rounds(plan, WORKLOADS[key], results)


def write(results: Results) -> None:
    """Writes JSON, Markdown and SVG under `.bench/results/`, and copies them to `latest.*`."""
    paths.RESULTS.mkdir(parents=True, exist_ok=True)
    base = paths.RESULTS / str(results.machine.setdefault("run", time.strftime("%Y%m%d-%H%M%S")))
    base.with_suffix(".json").write_text(json.dumps(results.as_json(), indent=1))
    chart = draw(results)
    base.with_suffix(".md").write_text(as_markdown(results, f"{base.name}.svg" if chart else None))
    if chart:
        base.with_suffix(".svg").write_text(chart)
    for kind in (".json", ".md", ".svg"):
        if base.with_suffix(kind).exists():
            shutil.copy(base.with_suffix(kind), paths.RESULTS / f"latest{kind}")


def publish(results: Results) -> None:
    """Writes pages and charts where the documentation shows them; what was not measured stays as it was."""
    docs = paths.ROOT / "docs"
    if results.optimized:
        (docs / "benchmarks-optimize.md").write_text(optimize_page(results))
    if not results.samples:
        return
    (docs / "images").mkdir(parents=True, exist_ok=True)
    chart = draw(results)
    if chart:
        (docs / "images" / "benchmarks.svg").write_text(chart)
    floods = draw_floods(results)
    if floods:
        (docs / "images" / "overload.svg").write_text(floods)
    (docs / "benchmarks.md").write_text(as_markdown(results, "images/benchmarks.svg" if chart else None))


def main() -> None:
    """The command."""
    given = arguments()
    results = Results.from_json(json.loads(given.report.read_text())) if given.report else run(given)
    if given.report:
        write(results)
    print(as_text(results))
    if given.publish:
        publish(results)
    if given.gate and not all(bound.holds for bound in all_bounds(results)):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
