"""Transfers take memory for blocks, not for models."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1 << 20
LENGTH = 384 * MIB
MOST = 64 * MIB

SCRIPT = """
import sys
from pathlib import Path
from pumice import Store

source, small, out, step = sys.argv[1:]
with Store(sys.argv[2] + "-home") as store:
    def work(path, target):
        if step == "push":
            store.push(path, target)
        elif step == "pull":
            store.pull(target, f"{out}-{target}")
        else:
            store.verify(target)
    def most():  # of this program alone: ru_maxrss would count the one that started it
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    work(small, "small")
    before = most()
    work(source, "large")
    print(most() - before, file=sys.stdout)
"""


@pytest.mark.slow(10)
def test_a_large_model_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    source, small = tmp_path / "large", tmp_path / "small"
    with source.open("wb") as file:
        for _ in range(LENGTH // MIB):
            file.write(os.urandom(MIB))
    small.write_bytes(bytes(range(256)) * 40_000)
    for step in ("push", "pull", "verify"):
        command = [sys.executable, "-c", SCRIPT, str(source), str(small), str(tmp_path / "out"), step]
        done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) < MOST, step
