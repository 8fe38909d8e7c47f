"""Homes that changes are made on."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import NamedTuple

from pumice import Store
from pumice.domain.store.sealing import SEGMENT
from pumice.service.store.types import PushWish
from pumice.store.seal_keys import file

KEY = "seal.key"


class Stage(NamedTuple):
    """What a change is made on.

    Attributes:
        home: A home with m@1 to m@3 (m@2 made from other@1), other@1, and the aliases m@prod -> 3, other@prod -> 1.
        old: The same home two changes before.
        folder: m@3, pulled.
        other: m@1, pulled.
        dice: Where the change is.
    """

    home: Path
    old: Path
    folder: Path
    other: Path
    dice: random.Random


def prepare(root: Path, *, sealed: bool = False) -> Stage:
    """Make a home whose versions are all plain, or all sealed.

    A sealed file of ``w.dat`` has three segments, since they are to be moved; a plain one is small.
    """
    home, source = root / "home", root / "source"
    source.mkdir()
    file.create(root / KEY)
    dice = random.Random(7)
    with Store(home, by="tester", seal_key=f"file:{root / KEY}" if sealed else "") as store:
        for number in range(1, 4):
            (source / "w.dat").write_bytes(dice.randbytes(2 * SEGMENT + 100 if sealed else 20_000))
            (source / "a.txt").write_text(f"a{number}")
            (source / "b.txt").write_text(f"b{number}")
            if number == 1:
                store.push(source, "other", PushWish(seal=sealed))
                store.alias("other", "prod", 1)
            parents = ("other@1",) if number > 1 else ()
            store.push(source, "m", PushWish(parents=parents, recipe={"passes": [f"p{number}"]}, seal=sealed))
        store.alias("m", "prod", 1)
        store.close()
        shutil.copytree(home, root / "old")
        store.alias("m", "prod", 2)
        store.alias("m", "prod", 3)
        store.pull("m@3", root / "folder", unseal=sealed)
        store.pull("m@1", root / "other", unseal=sealed)
        assert store.verify().problems == []
    return Stage(home, root / "old", root / "folder", root / "other", dice)
