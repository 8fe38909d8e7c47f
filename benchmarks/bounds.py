"""The bounds that Pumice sets itself, and whether a run keeps them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmarks.floods import FLOOD
from benchmarks.pairs import PAIRS
from benchmarks.samples import Results, middle
from benchmarks.servers import ECHO

PEERS = ("triton", "mosec", "fastapi", "fastapi_batcher", "litserve")


@dataclass(frozen=True)
class Bound:
    """One demand.

    Attributes:
        what: The demand in words.
        value: What was measured; None if it was not.
        limit: What it is held against.
        kind: Whether the limit is the most or the least that is allowed.
    """

    what: str
    value: float | None
    limit: float
    kind: Literal["at most", "at least"]

    @property
    def holds(self) -> bool | None:
        """Whether the demand is met; None if it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.kind == "at most" else self.value >= self.limit


def all_bounds(results: Results) -> list[Bound]:
    """Returns every demand; those on workloads in which Pumice was not measured are left out."""
    found: list[Bound] = []
    if "pumice" in results.servers("A"):
        found += bounds_a(results)
    if "pumice" in results.servers("B"):
        found += bounds_b(results)
    if "pumice" in results.servers("grpc"):
        found += bounds_grpc(results)
    if "pumice" in results.servers("C"):
        found += bounds_c(results)
    if "pumice" in results.servers("shm"):
        found += bounds_shared_memory(results)
    found += bounds_pairs(results)
    found += bounds_overload(results)
    if "pumice" in results.starts:
        found += bounds_start(results)
    failed = results.extras.get("failed_while_killing")
    if failed is not None:
        found.append(Bound("a replica killed every second for 20 s: failed requests", failed, 0, "at most"))
    found += bounds_store(results)
    found += bounds_optimize(results)
    return found


def bounds_a(results: Results) -> Iterator[Bound]:
    """The tiny model: what the server itself costs."""

    def ratio(figure: str, connections: int, peer: str) -> float | None:
        return results.ratio(("A", connections), figure, "pumice", peer)

    for connections in (16, 64):
        for peer, limit in (("triton", 0.75), ("mosec", 0.75), ("fastapi", 0.35), ("litserve", 0.05)):
            what = f"A, {connections} connections: CPU per request by {peer}'s"
            yield Bound(what, ratio("cpu_ms", connections, peer), limit, "at most")
    for peer in ("triton", "mosec"):
        what = f"A, 64 connections: requests per second by {peer}'s"
        yield Bound(what, ratio("requests_per_second", 64, peer), 1.2, "at least")
        yield Bound(f"A, 64 connections: p99 by {peer}'s", ratio("p99_ms", 64, peer), 1.0, "at most")
    yield Bound("A, 1 connection: p50 by fastapi's", ratio("p50_ms", 1, "fastapi"), 1.0, "at most")
    yield Bound("A: failed requests", results.failures("A", "pumice"), 0, "at most")


def bounds_b(results: Results) -> Iterator[Bound]:
    """MiniLM: how much of the machine the server gives to the model."""

    def own(figure: str, connections: int) -> dict[int, float]:
        return {at: getattr(sample, figure) for at, sample in results.of("B", "pumice", connections).items()}

    def by_bare(connections: int, batch: str | None) -> float | None:
        pairs = own("requests_per_second", connections)
        rates = {at: results.bare[at]["rows_per_second"] for at in pairs if at < len(results.bare)}
        return middle(pairs[at] / (rate[batch] if batch else max(rate.values())) for at, rate in rates.items())

    yield Bound("B, 64 connections: rate by the bare loop's at its best batch", by_bare(64, None), 0.93, "at least")
    yield Bound("B, 16 connections: rate by the bare loop's at batch 8", by_bare(16, "8"), 0.9, "at least")
    for connections in (16, 64):
        for peer in PEERS:
            if peer in results.servers("B"):
                case = ("B", connections)
                rate = results.ratio(case, "requests_per_second", "pumice", peer)
                yield Bound(f"B, {connections} connections: rate by {peer}'s", rate, 1.0, "at least")
                p99 = results.ratio(case, "p99_ms", "pumice", peer)
                yield Bound(f"B, {connections} connections: p99 by {peer}'s", p99, 1.0, "at most")
    alone = own("p50_ms", 1)
    over = middle(p50 - results.bare[at]["latency_ms"] for at, p50 in alone.items() if at < len(results.bare))
    yield Bound("B, 1 connection: p50 over a bare session.run, ms", over, 0.5, "at most")
    yield Bound("B: failed requests", results.failures("B", "pumice"), 0, "at most")


def bounds_grpc(results: Results) -> Iterator[Bound]:
    """The tiny model by gRPC: what is ours of a call's cost."""
    for callers in (1, 16, 64):
        for figure, what in (
            ("front_cpu_ms", "the front process's CPU"),
            ("cpu_ms", "CPU, replica and model with it,"),
        ):
            ratio = results.ratio(("grpc", callers), figure, "pumice", ECHO)
            yield Bound(f"gRPC, {callers} callers: {what} by a bare grpc.aio echo's", ratio, 1.4, "at most")
    yield Bound("gRPC: failed requests", results.failures("grpc", "pumice"), 0, "at most")


def bounds_c(results: Results) -> Iterator[Bound]:
    """The image as raw bytes: what moving large tensors costs."""
    for peer in ("triton", "mosec", "litserve", "bentoml"):
        ratio = results.ratio(("C", 8), "cpu_ms", "pumice", peer)
        yield Bound(f"C, 8 connections: CPU per request by {peer}'s", ratio, 1.0, "at most")
    alone = results.ratio(("C", 1), "cpu_ms", "pumice", "fastapi")
    yield Bound("C, 1 connection: CPU per request by fastapi's", alone, 1.3, "at most")
    yield Bound("C: failed requests", results.failures("C", "pumice"), 0, "at most")


def bounds_shared_memory(results: Results) -> Iterator[Bound]:
    """The image through shared memory: what is left of a request's cost when nothing large travels."""
    for connections in (1, 8):
        ratio = results.ratio(("shm", connections), "cpu_ms", "pumice", "triton")
        yield Bound(f"shm, {connections} connections: CPU per request by triton's", ratio, 1.0, "at most")
    yield Bound("shm: failed requests", results.failures("shm", "pumice"), 0, "at most")


def bounds_pairs(results: Results) -> Iterator[Bound]:
    """Pumice beside itself: what locks cost, and what many models cost."""
    for pair, what, limit in ((PAIRS["doors"], "keys and limits on, by off", 1.15), (PAIRS["many"], "200 by 1", 1.1)):
        if not results.servers(pair.key):
            continue
        plain, other = pair.ways
        for connections in pair.connections:
            ratio = results.ratio((pair.key, connections), "cpu_ms", other, plain)
            yield Bound(f"{pair.key}, {connections} connections: CPU per request, {what}", ratio, limit, "at most")
        failed = sum(results.failures(pair.key, way) for way in pair.ways)
        yield Bound(f"{pair.key}: failed requests", failed, 0, "at most")


def bounds_overload(results: Results) -> Iterator[Bound]:
    """Ten times the capacity: what is left of it, and what those hear who are refused."""
    floods = [flood for flood in results.floods if flood.server == "pumice" and flood.times == FLOOD]
    for case in dict.fromkeys(flood.case for flood in floods):
        of = [flood for flood in floods if flood.case == case]
        what = f"overload, {case}, {FLOOD:g} times the capacity"
        yield Bound(f"{what}: answers in time by the capacity", middle(flood.kept for flood in of), 0.9, "at least")
        p99 = middle(flood.accepted_p99_ms / flood.deadline_ms for flood in of)
        yield Bound(f"{what}: p99 of the accepted by their deadline", p99, 1.0, "at most")
        yield Bound(f"{what}: p99 of the refusals, ms", middle(flood.refusal_p99_ms for flood in of), 50, "at most")
        told = min(flood.told for flood in of)
        yield Bound(f"{what}: part of the refusals with `Retry-After`", told, 1.0, "at least")
        bursts = [burst for burst in results.bursts if burst.case == case and burst.refused]
        back = middle(burst.back / burst.refused for burst in bursts)
        yield Bound(f"overload, {case}: let in when they come back as told", back, 0.9, "at least")


def bounds_start(results: Results) -> Iterator[Bound]:
    """Start-up and size."""
    medians = {name: middle(taken) for name, taken in results.starts.items()}
    own = medians.pop("pumice", None)
    demo = medians.pop("pumice-demo", None)
    yield Bound("cold start to ready of the demo model, s", demo, 1.0, "at most")
    for peer, other in medians.items():
        slower = max(filter(None, (own, demo)), default=None)
        yield Bound(f"cold start (the slower of both models) by {peer}'s", _divide(slower, other), 1.0, "at most")
    yield Bound("gateway and one replica of the tiny model, MB PSS", results.extras.get("pss_mb"), 150, "at most")
    bare = results.extras.get("interpreter_seconds", 0.0)
    imported = results.extras.get("import_seconds")
    yield Bound("import pumice, ms", imported and 1000 * (imported - bare), 150, "at most")
    yield Bound("pumice --help, s", results.extras.get("help_seconds"), 0.3, "at most")


def _divide(value: float | None, by: float | None) -> float | None:
    return value / by if value and by else None


def bounds_store(results: Results) -> Iterator[Bound]:
    """The model store: transfers beside a plain copy, and answers of a store with 10,000 versions."""
    if "store_push_of_copy" not in results.extras:
        return
    for step, limit in (("push", 0.5), ("pull", 0.8)):
        what = f"store: speed of {step} by that of a copy with SHA-256"
        yield Bound(what, results.extras.get(f"store_{step}_of_copy"), limit, "at least")
    for way, limit in (("verified", 1.15), ("unsealed", 1.5)):
        what = f"store: time from a cold cache to a ready engine, {way}, by that of plain files"
        yield Bound(what, results.extras.get(f"store_cold_{way}_time_of_plain"), limit, "at most")
    share = results.extras.get("store_sibling_share")
    yield Bound("store: space of a version of which 1 % is new, by its size", share, 0.05, "at most")
    for kind, where in (("", ""), ("_postgres", " on PostgreSQL")):
        for name in ("list", "show", "alias"):
            found = results.extras.get(f"store_{name}{kind}_ms")
            if found is not None or not kind:
                yield Bound(f"store of 10,000 versions{where}: {name}, ms", found, 50, "at most")


def bounds_optimize(results: Results) -> Iterator[Bound]:
    """The optimizer: MiniLM's INT8, what is refused, and what the race costs."""
    reports = {entry["case"]: entry["report"] for entry in results.optimized}
    if "minilm" in reports:
        for name, limit in (("onnx_fp32", 2.0), ("eager_pytorch", 4.0)):
            value = results.extras.get(f"minilm_{name}_of_offered")
            yield Bound(f"MiniLM at batch 1: time of {name} by that of what is offered", value, limit, "at least")
        share = results.extras.get("minilm_offered_size_share")
        yield Bound("MiniLM: size of what is offered, by the original's", share, 0.27, "at most")
    if "magika" in reports:
        dynamic = [one["offered"] for one in reports["magika"]["variants"] if one["name"] == "int8-dynamic"]
        yield Bound("magika: INT8 by dynamic quantization offered", float(any(dynamic)), 0, "at most")
    for case, report in reports.items():
        share = report["effort"]["evaluations"] / max(report["effort"]["full_grid"], 1)
        yield Bound(f"race of {case}: evaluations by those of the full grid", share, 1 / 3, "at most")
