"""One run at a time on the same inputs, and a cache that stays small."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from pumice.optimize.race.entry import opened, trim


def test_a_second_run_waits_for_the_first_and_finds_its_results(tmp_path: Path) -> None:
    waits, told = threading.Event(), []

    def second() -> None:
        with opened(tmp_path, "k", waits.set) as folder:
            told.append((folder / "result").read_text(encoding="utf-8"))

    with opened(tmp_path, "k", lambda: None) as folder:
        other = threading.Thread(target=second)
        other.start()
        assert waits.wait(20)
        (folder / "result").write_text("all of it", encoding="utf-8")
    other.join(20)
    assert told == ["all of it"]


def test_the_cache_drops_what_was_not_used_for_longest_and_is_not_in_use(tmp_path: Path) -> None:
    for age, key in enumerate(("new", "own", "older", "oldest", "held")):
        with opened(tmp_path, key, lambda: None) as folder:
            (folder / "weights").write_bytes(bytes(1000))
        os.utime(folder, (1e9 - age, 1e9 - age))
    with opened(tmp_path, "held", lambda: None) as folder:
        os.utime(folder, (1, 1))
        trim(tmp_path, 3000, "own")
    left = {place.name for place in tmp_path.iterdir()} - {"locks"}
    assert left == {"new", "own", "held"}
