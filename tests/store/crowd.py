"""Pushers, a reader, a collector and one that takes backups on one store at once, each a process of its own.

    python -m tests.store.crowd HOME PUSHES [apart]

With ``apart``, each has a home of its own, as on machines that share only what the environment's settings name.
Ends with 0 if nobody saw half a version.
"""

import hashlib
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from pumice import Store
from pumice.config import load_settings
from pumice.domain.errors import VersionNotFound
from pumice.service.store.backing import check_backup
from pumice.service.store.restoring import Restore

MODEL = "m"
LONGEST_S = 150.0


def pusher(home: Path, pushes: int, name: str) -> None:
    """Pushes files that share a part with those of the other one, and deletes some of its own."""
    dice = random.Random(name)
    source = home.with_name(f"source-{name}")
    source.mkdir()
    mine: list[int] = []
    with Store(home) as store:
        for _ in range(pushes):
            common = random.Random(dice.randrange(3)).randbytes(150_000)
            body = common + dice.randbytes(250_000)
            (source / "body").write_bytes(body)
            (source / "sum").write_text(hashlib.sha256(body).hexdigest())
            mine.append(store.push(source, MODEL).version)
            if len(mine) > 2:
                store.delete(f"{MODEL}@{mine.pop(dice.randrange(2))}")


def reader(home: Path, stop: Path) -> None:
    """Pulls the newest version and holds it against what it says of itself."""
    seen = 0
    with Store(home) as store:
        while not (seen and stop.exists()):
            target = home.with_name(f"pulled-{seen}")
            try:
                store.pull(MODEL, target)
            except VersionNotFound:
                assert not target.exists()
                continue
            assert hashlib.sha256((target / "body").read_bytes()).hexdigest() == (target / "sum").read_text()
            seen += 1


def collector(home: Path, stop: Path) -> None:
    """Collects without a rest."""
    with Store(home) as store:
        while not stop.exists():
            store.gc()


def backer(home: Path, stop: Path) -> None:
    """Takes backups without a rest; the last one is restored."""
    folder = home.with_name("backup")
    with Store(home) as store:
        stopped = False
        while not stopped:
            stopped = stop.exists()
            store.upkeep.backups.make(folder, keep=2)
    assert check_backup(folder).problems == []
    alone = load_settings({"home": str(home.with_name("restored")), "database": "", "store_url": ""})
    assert Restore(alone, folder).run().problems == []
    with Store(settings=alone) as store:
        assert store.verify().problems == []


def process(run: Callable[[], None]) -> int:
    """Run something in a process of its own."""
    child = os.fork()
    if child:
        return child
    try:
        run()
    except BaseException:  # noqa: BLE001 - the parent has to know
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    home, pushes = Path(sys.argv[1]), int(sys.argv[2])
    stop = home.with_name("stop")
    Store(home).close()
    apart = sys.argv[3:] == ["apart"]
    homes = [home.with_name(f"home-{number}") if apart else home for number in range(5)]
    others = [process(lambda: reader(homes[0], stop)), process(lambda: collector(homes[1], stop))]
    others.append(process(lambda: backer(homes[4], stop)))
    pushing = [process(lambda n=n: pusher(homes[2 + n], pushes, "ab"[n])) for n in range(2)]  # type: ignore[misc]
    codes = [os.waitpid(child, 0)[1] for child in pushing]
    stop.touch()
    until = time.monotonic() + LONGEST_S
    while others and time.monotonic() < until:
        child, status = os.waitpid(-1, 0)
        others.remove(child)
        codes.append(status)
    assert not any(codes), codes
    with Store(home) as store:
        store.gc()
        found = store.verify()
        assert not found.problems, found.problems
        assert found.leftovers == 0
        for record in store.versions(MODEL):
            assert not store.verify(f"{MODEL}@{record.version}").problems
        assert len(store.versions(MODEL)) == 4


if __name__ == "__main__":
    main()
