"""Runs a job in a process of its own, so that its work is not on the caller's interpreter."""

import subprocess
import sys

import msgspec

from pumice.client.load.checks import find_check
from pumice.client.load.job import LoadJob
from pumice.client.load.result import LoadResult


def run_load(job: LoadJob) -> LoadResult:
    """Run a load job and wait for its result.

    A server that cannot be reached is no error: its refusals are in `failures`.

    Args:
        job: What to do.

    Returns:
        What was measured.

    Raises:
        BadSetting: A field of the job has a value that is not allowed.
        RuntimeError: The generator itself broke; the message has its last words.
    """
    job.validate()
    if job.check:
        find_check(job.check)
    done = subprocess.run(
        [sys.executable, "-m", "pumice.client.load"], input=msgspec.json.encode(job), capture_output=True, check=False
    )
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        msg = f"the load generator ended with exit code {done.returncode}: {words[-2000:]}"
        raise RuntimeError(msg)
    return msgspec.json.decode(done.stdout, type=LoadResult)
