"""Who counts as alive."""

import subprocess
import sys
from pathlib import Path

from pumice.db.leases import OwnerLock, abandoned, lock_file, sweep_locks

NOW = 1_000.0
GOOD = NOW + 1
OVER = NOW - 1

HOLDER = """
import sys
from pathlib import Path
from pumice.db.leases import OwnerLock
lock = OwnerLock(Path(sys.argv[1]))
print(lock.owner, flush=True)
sys.stdin.read()
"""


def test_one_that_holds_its_lock_lives_even_if_its_lease_is_over(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path)
    assert not abandoned(tmp_path, lock.owner, OVER, NOW)
    lock.release()


def test_one_that_was_killed_is_gone_at_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        owner = holder.stdout.readline().strip()
        assert not abandoned(tmp_path, owner, GOOD, NOW)
        holder.kill()
        holder.wait()
        assert abandoned(tmp_path, owner, GOOD, NOW)


def test_one_of_another_home_is_judged_by_its_lease(tmp_path: Path) -> None:
    assert not abandoned(tmp_path, "elsewhere", GOOD, NOW)
    assert abandoned(tmp_path, "elsewhere", OVER, NOW)


def test_a_released_lock_leaves_no_file(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path)
    assert lock_file(tmp_path, lock.owner).exists()
    lock.release()
    assert not lock_file(tmp_path, lock.owner).exists()


def test_locks_of_the_dead_are_swept_once_the_database_has_forgotten_them(tmp_path: Path) -> None:
    alive = OwnerLock(tmp_path)
    dead, remembered = lock_file(tmp_path, "dead"), lock_file(tmp_path, "remembered")
    dead.touch()
    remembered.touch()
    sweep_locks(tmp_path, {"remembered"})
    assert not dead.exists()
    assert remembered.exists()
    assert lock_file(tmp_path, alive.owner).exists()
    alive.release()
