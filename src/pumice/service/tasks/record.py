"""What a caller learns of its task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pumice.domain.errors import PumiceError
from pumice.domain.request import InferResult

Status = Literal["processing", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is.

    Attributes:
        done: Rows that are finished.
        total: Rows in all.
        ahead: Tasks of its model that are to run before it; None where that is not known at once.
    """

    done: int
    total: int
    ahead: int | None = None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as it stands.

    Attributes:
        task_id: Its id.
        status: ``processing`` until its outcome is on disk.
        model: The model as the caller named it.
        version: The version as the caller named it; empty: the newest.
        face: The word that the face gave at acceptance.
        accepted: When it was accepted (s since 1970).
        finished: When it was finished (s since 1970).
        result: What the model answered, if completed.
        error: What went wrong, if failed; each face maps it by its own table.
        progress: How far it is, while it is processing.
    """

    task_id: str
    status: Status
    model: str
    version: str
    face: str
    accepted: float
    finished: float | None = None
    result: InferResult | None = None
    error: PumiceError | None = None
    progress: Progress | None = None
