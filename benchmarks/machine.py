"""What the benchmark runs on, and which versions it compares."""

import datetime as dt
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks import paths

PACKAGES = {
    "pumice": "pumice",
    "triton": "nvidia-pytriton",
    "mosec": "mosec",
    "fastapi": "fastapi",
    "fastapi_batcher": "fastapi",
    "litserve": "litserve",
    "bentoml": "bentoml",
}


def machine() -> dict[str, object]:
    """Describes this machine."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, CPython {platform.python_version()}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "real_time": os.sched_getscheduler(0) in {os.SCHED_FIFO, os.SCHED_RR},
        "load_before": round(os.getloadavg()[0], 2),
    }


def version(server: str) -> str:
    """Finds a server's version, with that of its ONNX Runtime."""
    python = sys.executable if server == "pumice" else str(paths.peer_python(server))
    ask = "import sys, importlib.metadata as m; print(*(m.version(name) for name in sys.argv[1:]))"
    done = subprocess.run([python, "-c", ask, PACKAGES[server], "onnxruntime"], capture_output=True, check=False)
    own, _, runtime = done.stdout.decode().strip().partition(" ")
    return f"{own} (onnxruntime {runtime})" if own else "unknown"
