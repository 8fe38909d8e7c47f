"""Three minutes of mixed load, faults and reloads; ``make soak`` goes on for thirty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.report import page, verdict
from tests.soak.run import Plan, Result, soak

PLAN = Plan(rounds=7, warm_up=3, round_s=13.0, pause_s=0.2)
"""About three minutes on two quiet cores: ten rounds of load, and about 4 s of calm behind each.

The pauses leave the machine to the tests beside it; ``make soak`` makes none.
"""


@pytest.mark.slow(190)
@pytest.mark.timeout(900)
def test_under_fire_nothing_fails_hangs_or_leaks(tmp_path: Path) -> None:
    seen: list[str] = []

    def tell(number: int, result: Result) -> None:
        seen.append(verdict(result))

    result = soak(PLAN, tmp_path, tell)
    assert not result.problems, f"{page(result)}\n{result.log}"
    assert len(seen) == PLAN.warm_up + PLAN.rounds
    # every kind of call and fault was really made
    quiet = [name for name, counts in result.ledger.counts.items() if not counts["right"] and "hangs" not in name]
    assert not quiet
