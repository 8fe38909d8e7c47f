"""What is known for certain of a job that was cut off: it stands beside OUT, and goes when OUT is there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pumice.domain.errors import BadSetting


class Job(msgspec.Struct, frozen=True):
    """What makes two runs the same job.

    Attributes:
        source: The input.
        size: Its size (bytes).
        changed: When it was changed last (ns since 1970).
        model: The model.
        columns: Columns that are carried through.
        form: Format of the output.
        prefix: What stands before the names of the outputs.
    """

    source: str
    size: int
    changed: int
    model: str
    columns: tuple[str, ...]
    form: str
    prefix: str


class State(msgspec.Struct, frozen=True):
    """How far a job is, on disk.

    Attributes:
        job: The job.
        rows: Rows of the input whose results are written.
        failed: Those of them that have an error instead.
        place: Where the writer goes on.
    """

    job: Job
    rows: int = 0
    failed: int = 0
    place: int = 0


@dataclass(frozen=True, slots=True)
class Journal:
    """The state on disk.

    Attributes:
        path: The file.
    """

    path: Path

    def load(self, job: Job) -> State:
        """Read how far a job is.

        Raises:
            BadSetting: It is of another job.
        """
        try:
            state = msgspec.json.decode(self.path.read_bytes(), type=State)
        except FileNotFoundError:
            return State(job)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise BadSetting("OUT", f"the journal '{self.path}', which cannot be read", _MEND) from None
        if state.job != job:
            raise BadSetting("OUT", f"the journal '{self.path}' of another job (or IN has changed)", _MEND)
        return state

    def save(self, state: State) -> None:
        """Write how far a job is; what it tells of must be on the disk before."""
        temporary = self.path.with_name(f"{self.path.name}.partial")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(state))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)

    def remove(self) -> None:
        """The job is done."""
        self.path.unlink(missing_ok=True)


_MEND = "the same job as before, to go on with it; or --restart, to begin anew"
