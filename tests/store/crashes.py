"""Changes a store again and again, kills the change with SIGKILL at a random moment, and looks at what is left.

    python -m tests.store.crashes HOME TRIALS SEED

Each change runs in a forked process, so that a trial costs milliseconds. Tells as JSON how many were killed,
and on the way of each trial. With
`PUMICE_DATABASE` and `PUMICE_STORE_URL`, the store is there.
"""

import contextlib
import json
import os
import random
import select
import shutil
import signal
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from pumice import Store
from pumice.config import Settings, load_settings
from pumice.db import database_file, packs, seals
from pumice.db import versions as statements
from pumice.db.arriving import PART, READY
from pumice.db.engine import open_home
from pumice.db.migrations import newest
from pumice.domain.errors import BadArtefact, PumiceError
from pumice.service.store.backing import check_backup
from pumice.service.store.restoring import Restore
from pumice.service.store.types import PushWish
from pumice.store.backups import BackupFolder
from pumice.store.seal_keys import file

MODEL = "m"
LENGTH = 600_000
OLD = Path(__file__).parents[1] / "db" / "schemas" / "sqlite-0004.sql"
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
    (folder / "weights").write_bytes(weights(seed))
    (folder / "seed.json").write_text(json.dumps(seed))


def weights(seed: int) -> bytes:
    return random.Random(0).randbytes(LENGTH)[: LENGTH // 4] + random.Random(seed).randbytes(LENGTH // 2)


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


def pull(store: Store, seed: int) -> object:
    """What was left of another one is gone on with."""
    versions = store.versions(MODEL)
    return store.pull(f"{MODEL}@{random.Random(seed).choice(versions).version}", pulled())


def pulled() -> Path:
    return Path(sys.argv[1]).with_name("pulled")


def migrate(store: Store, _seed: int) -> object:
    """Bring up a database of the first version that had a store; the store itself is not used."""
    return open_home(old_home())


def old_home() -> Path:
    return Path(sys.argv[1]).with_name("old")


def backup(store: Store, _seed: int) -> object:
    """What was left of another one is gone on with."""
    return store.upkeep.backups.make(backed_up(), keep=2)


def restore(_store: Store, _seed: int) -> object:
    return Restore(restored(), backed_up()).run()


def backed_up() -> Path:
    return Path(sys.argv[1]).with_name("backup")


def restored() -> Settings:
    """Settings of a home with nothing outside of it."""
    return load_settings({"home": str(Path(sys.argv[1]).with_name("restored")), "database": "", "store_url": ""})


CHANGES: tuple[Change, ...] = (
    push,
    push,
    push_sealed,
    alias,
    rollback,
    delete,
    reseal,
    collect,
    pull,
    migrate,
    backup,
    restore,
)


def prepare(change: Change, seed: int) -> None:
    """Lay out what a change works on."""
    if change in {push, push_sealed}:
        write_source(store_source(seed), seed)
    elif change is restore:
        shutil.rmtree(restored().home_path, ignore_errors=True)
    elif change is migrate:
        shutil.rmtree(old_home(), ignore_errors=True)
        old_home().mkdir()
        with contextlib.closing(sqlite3.connect(database_file(old_home()))) as made:
            made.executescript(OLD.read_text())


def look(change: Change) -> None:
    """Hold what a change worked on, besides the store, against what it may be."""
    if change is pull and pulled().exists():
        seed = json.loads((pulled() / "seed.json").read_text())
        assert (pulled() / "weights").read_bytes() == weights(seed), "half a version was pulled"
        shutil.rmtree(pulled())
    elif change is backup:
        look_at_backup()
    elif change is restore:
        look_at_restored()
    elif change is migrate:
        with contextlib.closing(sqlite3.connect(database_file(old_home()))) as found:
            tables = {name for (name,) in found.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            ours = {"pumice_revision", "store_loose", "store_places"}
            assert ours & tables in (set(), ours), "half a migration"
        engine = open_home(old_home())
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM tasks")).scalar_one() == 1
            assert connection.execute(text("SELECT version_num FROM pumice_revision")).scalar_one() == newest()
        engine.dispose()


def look_at_backup() -> None:
    """Every state that is there is whole."""
    assert check_backup(backed_up()).problems == []


def look_at_restored() -> None:
    """The home has nothing, or has all; what was killed goes on where it was."""
    wanted = BackupFolder(backed_up()).read()
    home = restored().home_path
    if not database_file(home).exists() and not (home / PART / READY).exists():
        assert not (home / "store").exists(), "half a home"
        if (home / PART).is_dir() and any((home / PART).iterdir()):
            with contextlib.suppress(BadArtefact):
                open_home(home).dispose()
                raise AssertionError("a home was opened into which a restore is under way")
        Restore(restored(), backed_up()).run()
    with Store(settings=restored()) as store:
        assert len(store.versions(MODEL)) == wanted.versions, "half a home"
        assert not store.verify().problems, store.verify().problems
        with store._reader.connect() as connection:
            assert {row["id"] for row in packs.every(connection)} == {pack.id for pack in wanted.packs}
    assert not (home / PART).exists()


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
        prepare(change, 100)
        begun = time.perf_counter()
        trial(home, change, 100, None)
        spans[change] = time.perf_counter() - begun
    killed: Counter[str] = Counter()
    before = state(home)
    for _ in range(trials):
        change = dice.choice(CHANGES) if len(before.versions) > 2 else push
        turn = 1000 + dice.randrange(1_000_000)
        prepare(change, turn)
        killed[change.__name__] += trial(home, change, turn, dice.uniform(0, spans[change]))
        look(change)
        if change in {push, push_sealed}:
            shutil.rmtree(store_source(turn))
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
        sys.stderr.write(f"{sum(killed.values())} killed {dict(killed)}\n")
    with Store(home) as store:
        store.gc()
        assert store.verify().leftovers == 0
        assert store.gc(dry_run=True).bytes == 0
    assert not list((home / "store" / "owners").iterdir()), "the dead have left locks"
    left = [path for path in home.parent.iterdir() if path.name.endswith(".part")]
    assert len(left) <= 1, "a pull left more than what the next one goes on with"
    sys.stdout.write(json.dumps({"trials": trials, "killed": killed.total(), "of each": killed}))


if __name__ == "__main__":
    main()
