"""Changes a store again and again, kills the change with SIGKILL at a random moment, and looks at what is left.

    python -m tests.store.crashes HOME TRIALS SEED

Each change runs in a forked process, so that a trial costs milliseconds. Tells as JSON how many were killed.
"""

import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pumice import Store
from pumice.db import seals
from pumice.db import versions as statements
from pumice.domain.errors import PumiceError
from pumice.service.store.types import PushWish
from pumice.store.seal_keys import file

MODEL = "m"
LENGTH = 600_000
Change = Callable[[Store, int], object]


@dataclass(frozen=True)
class State:
    """All that a change may change."""

    versions: tuple[tuple[int, str], ...]
    alias: int
    keys: tuple[tuple[int, str], ...]
    journal: int


def write_source(folder: Path, seed: int) -> None:
    """Weights of which a third are those of every other version, and the seed that they can be made from again."""
    folder.mkdir(parents=True, exist_ok=True)
    common = random.Random(0).randbytes(LENGTH)
    (folder / "weights").write_bytes(common[: LENGTH // 4] + random.Random(seed).randbytes(LENGTH // 2))
    (folder / "seed.json").write_text(json.dumps(seed))


def push(store: Store, seed: int) -> object:
    return store.push(store_source(seed), MODEL)


def store_source(seed: int) -> Path:
    return Path(sys.argv[1]).with_name(f"source-{seed}")


def alias(store: Store, seed: int) -> object:
    return store.alias(MODEL, "prod", random.Random(seed).choice(store.versions(MODEL)).version)


def rollback(store: Store, _seed: int) -> object:
    return store.rollback(MODEL)


def delete(store: Store, seed: int) -> object:
    return store.delete(f"{MODEL}@{random.Random(seed).choice(store.versions(MODEL)).version}")


def push_sealed(store: Store, seed: int) -> object:
    return store.push(store_source(seed), MODEL, PushWish(seal=True))


def reseal(_store: Store, seed: int) -> object:
    one, two = seal_keys()
    with Store(sys.argv[1], seal_key=f"{one},{two}" if seed % 2 else f"{two},{one}") as turned:
        return turned.seals.reseal(MODEL)


def seal_keys() -> list[str]:
    """Settings of two keys."""
    places = [Path(sys.argv[1]).with_name(f"key-{number}") for number in (1, 2)]
    for place in places:
        if not place.exists():
            file.create(place)
    return [f"file:{place}" for place in places]


def collect(store: Store, _seed: int) -> object:
    return store.gc()


CHANGES: tuple[Change, ...] = (push, push, push_sealed, alias, rollback, delete, reseal, collect)


def state(home: Path) -> State:
    """Read the state, after everything was held against its digest."""
    with Store(home) as store:
        found = store.verify()
        assert not found.problems, found.problems
        versions = store.versions(MODEL)
        newest = store.show(f"{MODEL}@{versions[-1].version}", unseal=True)
        seed_file = {file.path: file.size for file in newest.manifest.files}
        assert seed_file["weights"] == LENGTH // 2 + LENGTH // 4
        with store._reader.connect() as connection:
            lines = statements.history(connection, MODEL, 1_000_000)
            keys = tuple((row["version"], row["key_id"]) for row in seals.every(connection, MODEL))
        pushed = [line.version for line in lines if line.kind == "push"]
        deleted = [line.version for line in lines if line.kind == "delete"]
        assert len(set(pushed)) == len(pushed), "a number was given twice"
        assert set(pushed) - set(deleted) == {record.version for record in versions}, "the journal tells otherwise"
        pointing = next((line.version for line in lines if line.alias == "prod"), 0)
        assert store.find(f"{MODEL}@prod").version == pointing
        return State(tuple((record.version, record.digest) for record in versions), pointing, keys, len(lines))


def changed(home: Path, change: Change, seed: int, signalled: int) -> None:
    """Run a change in this process, which ends with it."""
    code = 0
    try:
        with Store(home) as store:
            os.write(signalled, b"begun")
            change(store, seed)
    except PumiceError:
        code = 3  # refused: nothing may have happened
    except BaseException:  # noqa: BLE001 - the parent has to know
        traceback.print_exc()
        code = 1
    finally:
        os.write(signalled, b"done")
        os._exit(code)


def trial(home: Path, change: Change, seed: int, patience: float | None) -> bool:
    """Run a change and kill it after a while.

    Returns:
        Whether it was killed on the way.
    """
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        changed(home, change, seed, write)
    os.close(write)
    assert os.read(read, 5) == b"begun"
    done = bool(select.select([read], [], [], patience)[0])
    if not done:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(read)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in {0, 3}, "the change failed by itself"
    return not done


def main() -> None:
    home, trials, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    dice = random.Random(seed)
    os.environ["PUMICE_SEAL_KEY"] = ",".join(seal_keys())
    for number in range(3):
        write_source(store_source(number), number)
        with Store(home) as store:
            push(store, number)
    with Store(home) as store:
        store.alias(MODEL, "prod", 1)
        store.alias(MODEL, "prod", 2)
    spans: dict[Change, float] = {}
    for change in dict.fromkeys(CHANGES):
        write_source(store_source(100), 100)
        begun = time.perf_counter()
        trial(home, change, 100, None)
        spans[change] = time.perf_counter() - begun
    killed = 0
    before = state(home)
    for _ in range(trials):
        change = dice.choice(CHANGES) if len(before.versions) > 2 else push
        turn = 1000 + dice.randrange(1_000_000)
        if change in {push, push_sealed}:
            write_source(store_source(turn), turn)
        killed += trial(home, change, turn, dice.uniform(0, spans[change]))
        after = state(home)
        turned = len(set(after.keys) - set(before.keys))  # each version that another key wraps is a change of its own
        assert after.journal - before.journal in ({turned} if change is reseal else {0, 1}), (
            change.__name__,
            before,
            after,
        )
        if after.journal == before.journal:
            assert after == before, (change.__name__, before, after)
        before = after
    with Store(home) as store:
        store.gc()
        assert store.verify().leftovers == 0
        assert store.gc(dry_run=True).bytes == 0
    assert not list((home / "store" / "owners").iterdir()), "the dead have left locks"
    sys.stdout.write(json.dumps({"trials": trials, "killed": killed}))


if __name__ == "__main__":
    main()
