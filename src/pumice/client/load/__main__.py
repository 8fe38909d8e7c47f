"""The generator's process: a job as JSON on standard input, its result as JSON on standard output."""

import asyncio
import os
import sys
from typing import Any

import msgspec
import uvloop

from pumice.client.load.job import LoadJob
from pumice.client.load.measure import measure
from pumice.client.load.result import LoadResult


def main() -> None:
    """Read the job, run it, write the result."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadJob)
    job.validate()
    result = msgspec.json.encode(uvloop.run(_run(job)))
    with open(sys.stdout.fileno(), "wb", closefd=False) as out:  # with PYTHONUNBUFFERED, `buffer` may write a part only
        out.write(result)


async def _run(job: LoadJob) -> LoadResult:
    asyncio.get_running_loop().set_exception_handler(_give_up)
    return await measure(job)


def _give_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End the process at an error in a callback: nobody would wait for it, and the run would never end."""
    loop.default_exception_handler(context)
    if not isinstance(context.get("exception"), OSError | None):
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
