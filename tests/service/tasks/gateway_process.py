"""A gateway to be killed: accepts tasks, tells each on its output, and finishes only some of them.

Run with a kind of trouble, a home, and the URL of its database or an empty string:

    stuck   every third task is finished at once, the others never; lines: "accepted ID X"
    full    no file may grow beyond 400 kB until all that fits is accepted; then it may again
"""

import asyncio
import resource
import sys
from pathlib import Path

from pumice.db import Place
from pumice.domain.errors import StorageFailed
from pumice.domain.request import InferRequest
from tests.service.tasks.fakes import Doubler, ask, tasks_of, value_of

MANY = 10_000
LIMIT = 400_000


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 the test reads it


async def only_every_third(_model: str, request: InferRequest) -> None:
    if value_of(request) % 3:
        await asyncio.Event().wait()


async def stuck(place: Place) -> None:
    tasks = tasks_of(place, Doubler(hook=only_every_third), concurrency=MANY, lease=1.5)

    async def caller(first: int) -> None:
        for x in range(first, MANY, 8):
            say("accepted", await tasks.submit("double", "", ask(x)), x)

    await asyncio.gather(*(caller(first) for first in range(8)))


async def full(place: Place) -> None:
    tasks = tasks_of(place, Doubler())
    ids: list[str] = []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        while len(ids) < MANY:
            ids.append(await tasks.submit("double", "", ask(len(ids), rows=500)))
    except StorageFailed as error:
        say("refused", error.code, error.message)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    ids.append(await tasks.submit("double", "", ask(len(ids), rows=500)))
    for x, task_id in enumerate(ids):
        record = await tasks.wait(task_id, 30)
        assert record.result is not None
        say("finished", task_id, int(record.result.outputs["y"].flat[0]) == 2 * x)
    await tasks.stop()


if __name__ == "__main__":
    asyncio.run({"stuck": stuck, "full": full}[sys.argv[1]](Place(Path(sys.argv[2]), sys.argv[3])))
