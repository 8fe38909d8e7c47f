"""``python -m tests.torture``: put the probes to a server, print the verdicts; exit code 1 if any failed."""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import sys
from pathlib import Path

from tests.torture import probes as _probes  # noqa: F401 - registers them
from tests.torture.process import Managed
from tests.torture.report import Run, dump, line, load, markdown, row, summary
from tests.torture.run import NoServer, chosen, torture
from tests.torture.target import Target
from tests.torture.verdicts import Outcome, Verdict


def options() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="Torture a server of the OIP.")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help="a server that runs")
    where.add_argument("--start", metavar="COMMAND", help="start one; {port} and {folder} are filled in")
    where.add_argument("--markdown", nargs="+", metavar="JSON", type=Path, help="put runs side by side, and end")
    where.add_argument("--list", action="store_true", help="list the probes, and end")
    parser.add_argument("--model", default="probe", help="name of the probe model (probe)")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="probes whose ids begin so")
    parser.add_argument("--alive", default="/v2/health/live", help="path that answers GET with 200")
    parser.add_argument("--adapted", action="store_true", help="an adapter speaks the protocol, not the server")
    parser.add_argument("--deadline", choices=["none", "header", "parameter"], default="none")
    parser.add_argument("--bounded-queue", action="store_true", help="the operator has bounded the queue")
    parser.add_argument("--hang-limit", type=float, default=10, metavar="S", help="a hung call is over by then (10)")
    parser.add_argument("--patience", type=float, default=40, metavar="S", help="a dripping caller is cut by then (40)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the run there")
    parser.add_argument("--name", default="", help="name and version of the server, for reports")
    parser.add_argument("--remark", default="", help="how it was set up, for reports")
    return parser


def put(target: Target, only: list[str]) -> list[Outcome]:
    """Run the probes and print each verdict."""
    outcomes = []
    for outcome in torture(target, chosen(only)):
        outcomes.append(outcome)
        print(line(outcome), flush=True)  # noqa: T201 - its job
    print(summary(outcomes))  # noqa: T201
    return outcomes


def main(words: list[str] | None = None) -> int:
    """The command; its exit code: 0 none failed, 1 some did, 2 there was nothing to torture."""
    parser = options()
    given = parser.parse_args(words)
    if given.markdown:
        sys.stdout.write(markdown([load(file.read_text(encoding="utf-8")) for file in given.markdown]))
        return 0
    if given.list:
        sys.stdout.writelines(f"{probe.name:<22} {probe.asks} [{probe.ground}]\n" for probe in chosen(given.only))
        return 0
    if not given.url and not given.start:
        parser.error("--url, --start, --markdown or --list")
    managed = Managed(given.start) if given.start else None
    target = Target(
        url=managed.url if managed else given.url.rstrip("/"),
        model=given.model,
        alive=given.alive,
        adapted=given.adapted,
        deadline=given.deadline,
        queue=given.bounded_queue,
        hang_s=given.hang_limit,
        patience_s=given.patience,
        managed=managed,
    )
    try:
        outcomes = put(target, given.only)
    except NoServer as error:
        log = managed.log.read_text(encoding="utf-8", errors="replace")[-3000:] if managed else ""
        sys.stderr.write(f"{error}\n{log}")
        return 2
    finally:
        if managed:
            managed.close()
    if given.json:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        rows = [row(outcome) for outcome in outcomes]
        given.json.write_text(dump(Run(given.name or target.url, today, given.remark, rows)), encoding="utf-8")
    return int(any(outcome.verdict is Verdict.FAIL for outcome in outcomes))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it started is ended
    sys.exit(main())
