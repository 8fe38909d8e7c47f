"""What is in the journal is not done again, and a half written end is as if it were not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumice.domain.errors import ModelFailed
from pumice.optimize.latency.timing import Pairs
from pumice.optimize.race.journal import Journal

PAIRS = Pairs([1.0, 2.5], [0.1, 1 / 3], 0.5)


def _refuse() -> Pairs:
    raise ModelFailed("m", "it must not be asked again")


def test_a_step_is_done_once_whatever_was_killed_behind_it(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    now = iter(range(100))
    journal = Journal(file, lambda: float(next(now)))
    with pytest.raises(ModelFailed):
        journal.once("first", Pairs, _refuse)
    assert journal.once("first", Pairs, lambda: PAIRS) == PAIRS
    assert journal.once("second", str, lambda: "二\n") == "二\n"
    assert journal.seconds == 2.0
    journal.close()
    whole = file.read_bytes()
    first = whole.splitlines(keepends=True)[0]
    for cut in range(len(first), len(whole)):
        file.write_bytes(whole[:cut])
        again = Journal(file)
        assert again.keys("") == ["first"]
        assert again.once("first", Pairs, _refuse) == PAIRS
        assert again.once("second", str, lambda: "new") == "new"
        again.close()
        again = Journal(file)
        assert again.once("second", str, lambda: "newer") == "new"
        again.close()
