"""Makes random changes, each on a fresh copy of a home, and tells which were not refused.

    python -m tests.trust.campaign NUMBER [SEED]

Makes so many changes of plain versions and pulled folders, and as many of sealed ones. Writes how many of each kind
there were, and a reason of each; ends with 1 if one was not refused.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.trust import mutations, sealed_mutations
from tests.trust.stages import Stage, prepare


class Field(NamedTuple):
    """What is changed.

    Attributes:
        sealed: Whether its versions are sealed.
        kinds: The changes.
        refusal: Why a change is refused; empty: it is not.
    """

    sealed: bool
    kinds: Mapping[str, Callable[[Stage], object]]
    refusal: Callable[[Stage, str], str]


PLAIN = Field(False, mutations.STORED | mutations.PULLED, mutations.refusal)
SEALED = Field(True, sealed_mutations.CHANGES, sealed_mutations.refusal)


def refused(field: Field, first: Stage, kind: str, seed: float) -> str:
    """Make a change on a copy, and tell why it is refused; empty: it is not."""
    with tempfile.TemporaryDirectory(dir=first.home.parent) as copy:
        for part in (first.home, first.folder, first.other):
            shutil.copytree(part, Path(copy) / part.name)
        stage = Stage(Path(copy, "home"), first.old, Path(copy, "folder"), Path(copy, "other"), random.Random(seed))
        field.kinds[kind](stage)
        return field.refusal(stage, kind).replace(copy, "…")


def campaign(field: Field, number: int, seed: int) -> tuple[Counter[str], dict[str, str], list[str]]:
    """Make changes, each kind once and then at random.

    Returns:
        How many of each kind, a reason of each kind, and those that were not refused.
    """
    dice = random.Random(seed)
    order = list(field.kinds)
    counted: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        first = prepare(Path(name), sealed=field.sealed)
        for turn in range(number):
            kind = order[turn] if turn < len(order) else dice.choice(order)
            reason = refused(field, first, kind, dice.random())
            counted[kind] += 1
            reasons[kind] = reason
            if not reason:
                missed.append(f"{kind} (seed {seed}, turn {turn})")
    return counted, reasons, missed


def main() -> None:
    number, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    told: dict[str, object] = {}
    every: list[str] = []
    for name, field in {"plain": PLAIN, "sealed": SEALED}.items():
        counted, reasons, missed = campaign(field, number, seed)
        kinds = {kind: {"changes": count, "a reason": reasons[kind]} for kind, count in sorted(counted.items())}
        told[name] = {"changes": counted.total(), "not refused": missed, "kinds": kinds}
        every += missed
    sys.stdout.write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    sys.exit(bool(every))


if __name__ == "__main__":
    main()
