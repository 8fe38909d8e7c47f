"""The unmodified gRPC client of the KServe SDK against a whole server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CALLS = Path(__file__).with_name("kserve_calls.py")


def test_the_sdk_gets_what_it_asks_for(address: str) -> None:
    done = subprocess.run(
        [sys.executable, str(CALLS), address], capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "live": True,
        "ready": True,
        "model ready": True,
        "typed": {"y": [[2, 4, 6, 8]]},
        "raw": {"y": [[2, 4, 6, 8]]},
        "half": {
            "half_out": [[0.5, 2]],
            "long_out": [2**62],
            "flag_out": [[True, False]],
            "double_out": [[[1, 1], [1, 1]]],
        },
        "typed text": {"loud": ["HI", "YOU"]},
        "raw text": {"loud": ["HI", "YOU"]},
        "refused": "NOT_FOUND",
    }
