"""The process that builds one variant, and tries it: what crashes, hangs or eats the memory there does so alone.

It is given, on its standard input, the module path and then the work, and ends as soon as that input is closed: when
whoever started it is gone.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from pumice.domain.errors import PumiceError
from pumice.optimize.diagnosis import graph_facts
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
        size_bytes: Its files that hold weights (bytes).
        digest: SHA-256 in hex of its files.
        sensitivity: What each node does to the answers, where that was measured.
        notes: What to know of it, sentences for people.
        graph: What its graph looks like when it runs.
    """

    problem: str = ""
    size_bytes: int = 0
    digest: str = ""
    sensitivity: list[NodeDamage] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    graph: GraphFacts | None = None


def send(stream: IO[bytes], work: Work) -> None:
    """Hand the work over; the stream stays open."""
    for item in (sys.path, work):
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
            model = Measured(folder, threads=1)
            for row in range(min(_TRIED, len(work.material.search))):
                model.run({key: array[row : row + 1] for key, array in work.material.search.inputs.items()})
            model.close()
            facts = graph_facts(folder)
    except PumiceError as error:
        return Told(problem=error.message)
    return Told("", folder.size_bytes, folder_digest(folder.path), built.sensitivity, built.notes, facts)


def main() -> None:
    """Build what is given."""
    given = sys.stdin.buffer
    sys.path[:] = _received(given)
    work: Work = _received(given)
    threading.Thread(target=_end_with_parent, args=(given,), daemon=True).start()
    work.told.write_bytes(msgspec.json.encode(build(work)))
    sys.stdout.flush()
    # a library's own threads must not keep a process that is done
    os._exit(0)


def _received(stream: IO[bytes]) -> Any:
    """Read an item that the parent, whose code this is too, has sent."""
    size = int.from_bytes(stream.read(_LENGTH), "big")
    return pickle.loads(stream.read(size))  # noqa: S301 - sent by the parent alone


def _end_with_parent(stream: IO[bytes]) -> None:
    stream.read()
    os._exit(1)


if __name__ == "__main__":
    main()
