"""``make soak``: ``python -m tests.soak --minutes 30 --report build/soak``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.soak.report import page, write
from tests.soak.run import Plan, Result, soak

CALM_S = 6.0
"""About how long the quiet after a round takes (s)."""


def plan_of(given: argparse.Namespace) -> Plan:
    """Share the time among rounds: at least ten, each of 15 to 30 s, the first fifth of them to warm up."""
    minutes: float = given.minutes
    round_s = min(30.0, max(15.0, minutes * 2))
    rounds = max(10, round(minutes * 60 / (round_s + CALM_S)))
    warm_up = max(2, rounds // 5)
    return Plan(rounds - warm_up, warm_up, round_s, given.workers, given.seed, given.pause, given.patience)


def main() -> int:
    """Run it, tell how it goes, write the report; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="about how long")
    parser.add_argument("--workers", type=int, default=1, help="front processes")
    parser.add_argument("--seed", type=int, default=1, help="of all dice")
    parser.add_argument("--pause", type=float, default=0.0, help="shortest pause of a caller between two calls (s)")
    parser.add_argument("--patience", type=float, default=1.0, help="how many times longer everything may take")
    parser.add_argument("--report", type=Path, default=Path("build/soak"), help="folder of the report")
    given = parser.parse_args()
    plan = plan_of(given)
    console = Console()
    total = plan.rounds + plan.warm_up
    with (
        tempfile.TemporaryDirectory(prefix="pumice-soak-") as folder,
        Progress(console=console, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("soaking", total=total)

        def tell(number: int, result: Result) -> None:
            bar.advance(task)
            last = result.looks[-1]
            console.print(
                f"round {number + 1}/{total}: {result.ledger.calls()} calls, {len(result.ledger.problems)} problems, "
                f"front {last.front / 2**20:.1f} MiB and {last.counts['front fds']} descriptors, "
                f"{last.counts['processes']} processes"
            )

        result = soak(plan, Path(folder), tell)
    write(result, given.report)
    sys.stdout.write(f"\n{page(result)}\nwritten to {given.report}\n")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
