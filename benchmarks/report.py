"""Writes results for people: tables for the terminal and for Markdown, and which bounds hold."""

from statistics import median

from benchmarks import shared_memory
from benchmarks.bounds import Bound, all_bounds
from benchmarks.flood_report import flood_sections
from benchmarks.optimize.racing import optimize_sections
from benchmarks.pairs import PAIRS, WAYS
from benchmarks.registries import registry_table
from benchmarks.samples import Results
from benchmarks.servers import ECHO, SERVERS, TITLES, demo_server
from benchmarks.workloads import WORKLOADS

TRITON_NOTE = (
    "Triton here is the `tritonserver` that `nvidia-pytriton` carries: its C++ front end with a Python model behind it"
    " (that distribution has no ONNX Runtime backend)."
)
METHOD = (
    "Every server ran alone, in its own virtual environment, on the same machine as the load generator (closed loop,"
    " keep-alive, its own process). Servers took turns within each round; figures are medians over {rounds} rounds of"
    " {seconds:g} s, each after {warmup:g} s of the same load. Ratios are taken within a round, then their median. CPU"
    " is that of the server's whole process tree. Answers were compared with ONNX Runtime's own; a wrong one counts as"
    " failed."
)
FLOODS = (
    "In `overload` the model sleeps in its one replica. The capacity is that of a closed loop, measured in the same"
    " round; then an open loop sends at multiples of it, whatever the answers do. *In time* is by the capacity;"
    " latencies count from the moment at which a request was due. *CPU a refusal* is what the server's CPU grew by"
    " since the capacity was reached."
)
Table = list[list[str]]


def load_table(results: Results, workload: str) -> Table:
    """Returns one row a server and number of connections."""
    rows = [["server", "connections", "req/s", "p50 ms", "p99 ms", "CPU ms/req", "failed"]]
    cases = sorted({sample.connections for sample in results.samples if sample.workload == workload})
    for connections in cases:
        for server in results.servers(workload):
            samples = results.of(workload, server, connections)
            if samples:
                figures = ("requests_per_second", "p50_ms", "p99_ms", "cpu_ms")
                values = [results.median(workload, server, connections, figure) or 0.0 for figure in figures]
                failed = sum(sum(sample.failures.values()) for sample in samples.values())
                shown = [f"{values[0]:,.0f}", f"{values[1]:.3f}", f"{values[2]:.3f}", f"{values[3]:.4f}"]
                rows.append([(TITLES | WAYS)[server], str(connections), *shown, str(failed)])
    return rows


def grpc_table(results: Results) -> Table:
    """Returns one row a server and number of callers, with its CPU by the bare echo's in the same rounds."""
    rows = [["server", "callers", "req/s", "p50 ms", "CPU ms/req", "of it the front", "CPU by the echo's", "failed"]]
    for callers in sorted({sample.connections for sample in results.samples if sample.workload == "grpc"}):
        for server in results.servers("grpc"):
            figures = ("requests_per_second", "p50_ms", "cpu_ms", "front_cpu_ms")
            rate, p50, cpu, front = (results.median("grpc", server, callers, figure) or 0.0 for figure in figures)
            ratio = results.ratio(("grpc", callers), "cpu_ms", server, ECHO) or 0.0
            failed = sum(sum(sample.failures.values()) for sample in results.of("grpc", server, callers).values())
            shown = [f"{rate:,.0f}", f"{p50:.3f}", f"{cpu:.4f}", f"{front:.4f}", f"{ratio:.2f}", str(failed)]
            rows.append([TITLES[server], str(callers), *shown])
    return rows


def bare_table(results: Results) -> Table:
    """Returns the bare loop's rate by batch size."""
    rates = [entry["rows_per_second"] for entry in results.bare]
    sizes = list(rates[0]) if rates else []
    shown = [f"{median(rate[size] for rate in rates):,.0f}" for size in sizes]
    return [["batch", *sizes], ["rows/s, two callers", *shown]]


def start_table(results: Results) -> Table:
    """Returns the cold starts."""
    rows = [["server", "spawn to first right answer, s", "starts"]]
    for name, taken in sorted(results.starts.items(), key=lambda item: median(item[1])):
        title = SERVERS[name].title if name in SERVERS else demo_server().title
        rows.append([title, f"{median(taken):.3f}", str(len(taken))])
    return rows


def bound_table(bounds: list[Bound]) -> Table:
    """Returns every demand with its verdict."""
    verdicts = {True: "holds", False: "FAILS", None: "not measured"}
    rows = [["bound", "measured", "demanded", "verdict"]]
    for bound in bounds:
        value = "" if bound.value is None else f"{bound.value:.3g}"
        rows.append([bound.what, value, f"{bound.kind} {bound.limit:g}", verdicts[bound.holds]])
    return rows


def sections(results: Results) -> list[tuple[str, Table]]:
    """Returns everything that was measured, as titled tables."""
    found = []
    for key, workload in (WORKLOADS | PAIRS).items():
        if results.servers(key):
            found.append((f"{key}: {workload.title}", load_table(results, key)))
    if results.servers("grpc"):
        title = "gRPC: the tiny MLP, raw contents, one row a request; all servers up, load in turn, half a second each"
        found.append((title, grpc_table(results)))
    if results.servers(shared_memory.KEY):
        found.append((f"{shared_memory.KEY}: {shared_memory.TITLE}", load_table(results, shared_memory.KEY)))
    if results.bare:
        alone = median(entry["latency_ms"] for entry in results.bare)
        found.append(
            (f"ONNX Runtime without a server (one session.run at batch 1: {alone:.2f} ms)", bare_table(results))
        )
    found += flood_sections(results)
    if results.starts:
        found.append(("Cold start (tiny model where nothing else is said)", start_table(results)))
    rows = registry_table(results)
    if rows:
        found.append(("registries: the model store beside MLflow's registry, files on the same disk", rows))
    found += optimize_sections(results)
    bounds = all_bounds(results)
    if results.extras:
        rows = [["Pumice's own", "value"], *([name, f"{value:.3f}"] for name, value in results.extras.items())]
        found.append(("Size and commands", rows))
    if bounds:
        found.append(("Bounds", bound_table(bounds)))
    return found


def as_text(results: Results) -> str:
    """Writes the tables for a terminal."""
    parts = []
    for title, rows in sections(results):
        widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
        lines = ["  ".join(_pad(cell, widths[at], at) for at, cell in enumerate(row)) for row in rows]
        parts.append("\n".join(["", title, "-" * len(lines[0]), lines[0], *lines[1:]]))
    parts += [f"\nproblem: {problem}" for problem in results.problems]
    parts.append("\n" + noise_note(results))
    return "\n".join(parts)


def noise_note(results: Results) -> str:
    """Returns a warning if the machine was busy before the run began, else an empty string."""
    before = float(results.machine.get("load_before", 0.0))
    if before < 0.5:
        return ""
    note = f"The machine was not quiet (load average {before:g} before the run): ratios count, absolute figures do not."
    if results.machine.get("real_time"):
        note += " Servers and generator ran with real-time priority, before all else that it did."
    return note


def _pad(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at == 0 else cell.rjust(width)


def as_markdown(results: Results, chart: str | None) -> str:
    """Writes the tables as a Markdown page, with the chart's path if there is one."""
    machine = results.machine
    parts = ["# Benchmarks", METHOD.format(**machine), TRITON_NOTE]
    parts += about(results)
    if chart:
        parts.append(f"![Pumice beside its peers]({chart})")
    if results.floods:
        parts.append(FLOODS)
    parts += [chapter(title, rows) for title, rows in sections(results)]
    versions = ", ".join(f"{SERVERS[name].title} {version}" for name, version in results.versions.items())
    parts.append(f"Versions: {versions}.")
    parts.append("`make bench` measures all of this anew.")
    return "\n\n".join(parts) + "\n"


def about(results: Results) -> list[str]:
    """Writes what the run was made on, and a warning if it was busy."""
    machine = results.machine
    told = [f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['date']}."]
    noise = noise_note(results)
    return [*told, f"**{noise}**"] if noise else told


def chapter(title: str, rows: Table) -> str:
    """Writes a table under its title, as Markdown."""
    head, *body = rows
    rule = "|".join([":--", *["--:"] * (len(head) - 1)])
    table = "\n".join([_row(head), f"|{rule}|", *map(_row, body)])
    return f"## {title}\n\n{table}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
