"""What Olive chooses for the same model and data, and whether its choice would have passed."""

import json
import subprocess
from pathlib import Path

from benchmarks import paths
from benchmarks.optimize.cases import Case

PEER = "olive"
TIMEOUT_S = 1200


def run_olive(case: Case, home: Path) -> list[str]:
    """Lets it choose, then certifies its choice; returns what stands in the table behind its name."""
    from benchmarks.optimize.racing import GATE, environ

    command = [paths.peer_python(PEER), paths.PEERS / PEER / "optimize.py", case.source, case.data, home / PEER]
    quiet = environ(home) | {"OLIVE_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [*map(str, command), str(case.max_drop)],
        capture_output=True,
        text=True,
        check=False,
        env=quiet,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        return ["failed", "", done.stderr.strip().splitlines()[-1][:120], "", ""]
    told = json.loads(done.stdout.splitlines()[-1])
    seconds = f"{told['seconds']:.0f}"
    if not told["model"]:
        return ["none", seconds, "no variant reached its goals", "", ""]
    name = told["pass"]
    measured = ", ".join(f"{key} {one['value']:.4g}" for key, one in told["measured"].items())
    certify = [
        *(str(paths.pumice_command()), "certify", told["model"], "--against", str(case.source), "--data"),
        *(str(case.data), "--max-drop", str(case.max_drop), "--json"),
    ]
    done = subprocess.run(certify, capture_output=True, text=True, check=False, env=environ(home))
    if done.returncode not in {0, GATE}:
        return [name, seconds, measured, "could not be certified", ""]
    [variant] = json.loads(done.stdout)["variants"]
    low, high = variant["quality"]["drop_interval"]
    return [name, seconds, measured, f"{low * 100:+.2f} … {high * 100:+.2f}", variant["verdict"]]
