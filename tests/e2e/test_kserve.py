"""The unmodified REST client of the KServe SDK against a whole server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.server import RunningServer

CALLS = Path(__file__).with_name("kserve_calls.py")


def test_the_sdk_gets_what_it_asks_for(server: RunningServer) -> None:
    done = subprocess.run(
        [sys.executable, str(CALLS), server.url], capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "live": True,
        "ready": True,
        "model ready": True,
        "json": {"y": [[2, 4, 6, 8]]},
        "binary": {"y": [[2, 4, 6, 8]]},
        "text": {"loud": ["HI", "YOU"]},
        "v1": {"predictions": [[2, 4, 6, 8]]},
        "v1 ready": True,
        "refused": 404,
    }
