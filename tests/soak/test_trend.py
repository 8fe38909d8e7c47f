"""A leak is seen through noise, and noise is no leak; what the system holds is counted."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable

import pytest

from tests.soak.census import Census, links_of, look, resident
from tests.soak.ledger import Kind, Ledger
from tests.soak.publish import published
from tests.soak.run import excess
from tests.soak.trend import lowest_slope, rises, slopes

MIB = 2.0**20


def series(count: int, shape: Callable[[int], float], seed: int) -> list[float]:
    """100 MiB, the shape (MiB) and two MiB of noise."""
    dice = random.Random(seed)
    return [(100 + shape(number) + dice.gauss(0, 2)) * MIB for number in range(count)]


@pytest.mark.parametrize("count", [7, 30, 60])
def test_a_leak_is_found(count: int) -> None:
    found = [rises(series(count, lambda number: 30 * number / (count - 1), seed)) for seed in range(200)]
    assert sum("grew by" in told for told in found) >= 195


@pytest.mark.parametrize("count", [7, 30, 60])
def test_noise_saws_and_steps_are_none(count: int) -> None:
    shapes: list[Callable[[int], float]] = [
        lambda _: 0.0,
        lambda number: 12.0 * (number % 5) / 4,  # what a collector of garbage takes and gives
        lambda number: 20.0 if number == count // 2 else 0.0,
        lambda number: 3.0 * number / count,
    ]
    if count > 7:
        shapes.append(lambda number: 15.0 if number > count // 10 else 0.0)  # a buffer that grew once
    for shape in shapes:
        assert sum(bool(rises(series(count, shape, seed))) for seed in range(200)) <= 2


def test_slopes_are_those_of_sen() -> None:
    assert slopes([0, 1, 4]) == [1, 2, 3]
    assert lowest_slope([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]) == 1
    assert lowest_slope([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]) <= 0
    assert not rises([1.0, 2.0])


def test_what_a_process_holds_is_counted() -> None:
    me = os.getpid()
    before, memory = look([me], []), resident(me)
    fd = os.memfd_create("pumice-test")
    reading, writing = os.pipe()
    block = mmap.mmap(-1, 32 * 1024 * 1024)
    block.write(b"x" * len(block))
    try:
        after = look([me], [])
        assert any("memfd:pumice-test" in link for link in links_of(me))
        assert after.counts["front memfd"] == before.counts.get("front memfd", 0) + 1
        assert after.counts["front pipe"] == before.counts.get("front pipe", 0) + 2
        assert resident(me) - memory > 24 * 1024 * 1024
        assert any(line.startswith("front fds: ") for line in excess([before], after))
        assert not list(excess([before, after], after))
    finally:
        block.close()
        for one in (fd, reading, writing):
            os.close(one)


def test_what_is_not_explained_and_who_hangs_is_told() -> None:
    ledger = Ledger()
    kind = Kind("k", lambda _: "right", {"503": "busy"}, bound_s=1)
    for outcome, seconds in (("right", 0.1), ("503", 0.1), ("500", 0.1), ("right", 2.0)):
        ledger.note(kind, outcome, seconds)
    assert ledger.counts["k"] == {"right": 1, "503": 1, "unexplained": 1, "hung": 1}
    assert ledger.problems == ["k: unexplained after 0.10 s: 500", "k: hung after 2.00 s: right"]
    assert ledger.calls() == 4


def test_the_first_look_allows_everything() -> None:
    assert not list(excess([], Census({"front fds": 9}, 0)))


def test_a_report_takes_its_place_in_the_page() -> None:
    page = "<!-- one_front:begin -->\nold\n<!-- one_front:end -->\n<!-- two_fronts:begin -->\n<!-- two_fronts:end -->\n"
    once = published(page, "| a |\n\n![over time](soak.svg)\n", "one_front")
    assert once == page.replace("old", "| a |")
    assert published(once, "| b |\n", "two_fronts") == once.replace("s:begin -->\n", "s:begin -->\n| b |\n")
    with pytest.raises(ValueError, match="no place 'three'"):
        published(page, "", "three")
