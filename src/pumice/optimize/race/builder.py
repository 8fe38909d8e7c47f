"""The process that builds variants, and tries each: what crashes or hangs there does so alone.

It is given, on its standard input, the module path and then one work after the other, and ends as soon as that input is
closed: also in the middle of a work, when whoever started it is gone.
"""

from __future__ import annotations

import io
import os
import pickle
import queue
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from pumice.domain.errors import PumiceError
from pumice.optimize.diagnosis import graph_facts
from pumice.optimize.examples import Examples
from pumice.optimize.findings import GraphFacts, NodeDamage
from pumice.optimize.loaded import Measured, failing
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.race.digests import folder_digest
from pumice.optimize.race.plan import Candidate, Material

_LENGTH = 8
_TRIED = 2


@dataclass(frozen=True)
class Work:
    """What is to be built.

    Attributes:
        candidate: The variant.
        material: What it is made from.
        target: Its folder.
        told: File of the result.
    """

    candidate: Candidate
    material: Material
    target: Path
    told: Path


class Told(msgspec.Struct, frozen=True):
    """What came of a build.

    Attributes:
        problem: Why there is no variant; empty if there is one.
        built: Whether there was one, which could not be loaded or gave no answers.
        size_bytes: Its files that hold weights (bytes).
        digest: SHA-256 in hex of its files.
        sensitivity: What each node does to the answers, where that was measured.
        notes: What to know of it, sentences for people.
        recipe: How it was really made, where that was found out in the making.
        graph: What its graph looks like when it runs.
    """

    problem: str = ""
    built: bool = False
    size_bytes: int = 0
    digest: str = ""
    sensitivity: list[NodeDamage] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    recipe: dict[str, Any] | None = None
    graph: GraphFacts | None = None


def send(stream: IO[bytes], item: Work | list[str]) -> None:
    """Hand something over; the stream stays open."""
    data = pickle.dumps(item)
    stream.write(len(data).to_bytes(_LENGTH, "big") + data)
    stream.flush()


def build(work: Work) -> Told:
    """Build a variant and run it on a few examples."""
    name = work.candidate.name
    try:
        with failing(name):
            built = work.candidate.build(work.material, work.target)
            folder = ModelFolder.read(work.target)
    except PumiceError as error:
        return Told(error.message)
    try:
        with failing(name):
            _try(folder, work.material.search)
            graph = graph_facts(folder)
    except PumiceError as error:
        return Told(error.message, built=True)
    return Told(
        size_bytes=folder.size_bytes,
        digest=folder_digest(folder.path),
        sensitivity=built.sensitivity,
        notes=built.notes,
        recipe=built.recipe,
        graph=graph,
    )


def _try(folder: ModelFolder, examples: Examples) -> None:
    model = Measured(folder, threads=1)
    for row in range(min(_TRIED, len(examples))):
        model.run({key: array[row : row + 1] for key, array in examples.inputs.items()})
    model.close()


def main() -> None:
    """Build what is given, and write a byte to the descriptor that is the first argument after each."""
    done = int(sys.argv[1])
    # without a buffer: a thread that holds one makes the interpreter abort at its end
    stream = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - open to the end
    sys.path[:] = pickle.loads(_received(stream))  # noqa: S301 - sent by the parent alone
    works: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(stream, works), daemon=True).start()
    while True:
        work: Work = pickle.loads(works.get())  # noqa: S301 - sent by the parent alone
        work.told.write_bytes(msgspec.json.encode(build(work)))
        os.write(done, b".")


def _listen(stream: io.FileIO, works: queue.SimpleQueue[bytes]) -> None:
    while data := _received(stream):
        works.put(data)
    os._exit(0)


def _received(stream: io.FileIO) -> bytes:
    """Read an item as it was sent; nothing at the end."""
    size = int.from_bytes(_read(stream, _LENGTH), "big")
    return _read(stream, size)


def _read(stream: io.FileIO, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (part := stream.read(size - len(data))):
        data += part
    return bytes(data)


if __name__ == "__main__":
    main()
