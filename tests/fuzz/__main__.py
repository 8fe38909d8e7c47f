"""``make fuzz``: each harness for ``FUZZ_SECONDS`` (60), with coverage as its guide.

Run as ``python -m tests.fuzz`` for all of them, one process each, or ``python -m tests.fuzz NAME SECONDS`` for one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def one(name: str, seconds: int) -> None:
    """Fuzz one parser; ends the process."""
    atheris = import_module("atheris")  # it has no types

    with atheris.instrument_imports(include=["pumice"]):
        from tests.fuzz import harnesses

    with tempfile.TemporaryDirectory() as found:
        for number, seed in enumerate(harnesses.SEEDS[name]):
            Path(found, f"seed{number}").write_bytes(seed)
        arguments = [sys.argv[0], f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]
        crashes = f"-artifact_prefix={tempfile.gettempdir()}/pumice-fuzz-{name.replace('/', '-')}-"
        atheris.Setup([*arguments, crashes, found], lambda data: harnesses.run(name, data))
        atheris.Fuzz()


def every(seconds: int) -> int:
    """Fuzz all of them, one after the other; how many failed."""
    from tests.fuzz.harnesses import HARNESSES

    failed = [
        name
        for name in HARNESSES
        if subprocess.run([sys.executable, "-m", "tests.fuzz", name, str(seconds)], check=False).returncode
    ]
    sys.stdout.write(f"fuzzed {len(HARNESSES)} parsers for {seconds} s each; failed: {', '.join(failed) or 'none'}\n")
    return len(failed)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one(sys.argv[1], int(sys.argv[2]))
    sys.exit(every(int(os.environ.get("FUZZ_SECONDS", "60"))))
