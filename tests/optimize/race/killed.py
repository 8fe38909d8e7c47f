"""An optimization that is killed while it writes to its journal: at a given line, a half of which is written."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec

from pumice.optimize.race import journal
from pumice.optimize.run import optimize
from tests.optimize.race.field import plan_of, told_timer

KINDS = ("pruned", "noisy", "swapped")


def main(folder: Path, lines: int, *kinds: str) -> None:
    """Optimize, and die at a line of the journal.

    Args:
        folder: Where the model and the cache are.
        lines: Line at which it dies; 0: it lives.
        kinds: Variants to try.
    """
    write = os.write
    written = 0

    def dying(handle: int, data: bytes) -> int:
        nonlocal written
        if data.startswith(b'{"key"'):
            written += 1
            if written == lines:
                write(handle, data[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
        return write(handle, data)

    journal.os.write = dying  # type: ignore[attr-defined]
    report = optimize(plan_of(folder, kinds or KINDS), lambda _: None, told_timer).report
    (folder / "report.json").write_bytes(msgspec.json.encode(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
