"""What is asked for, the same for every face."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pumice.optimize.findings import Objective
from pumice.optimize.quality.choosing import Wishes
from pumice.optimize.race.plan import Timing


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an optimization, or a certification, is asked for.

    Attributes:
        source: The model: a path, or a reference to a stored version. Of a certification, the candidate.
        data: A file of examples, or a folder of images.
        max_drop: Quality that may be lost (a part of 1).
        work: Folder of what can be gone on with; any number of runs share it.
        against: Of a certification: the model that it is held against.
        name: Name under which base and variants are stored; that of the source if left out.
        confidence: Level at which all verdicts hold together.
        objective: What a variant has to be better at.
        recipes: Names of recipes, or their files.
        seed: Of the shuffle of the examples, and of whatever is drawn.
        wishes: What the user says of quality.
        timing: How latency is measured.
        all_passed: Keep also variants that passed and are not better.
    """

    source: str
    data: Path
    max_drop: float
    work: Path
    against: str = ""
    name: str = ""
    confidence: float = 0.95
    objective: Objective = "latency"
    recipes: tuple[str, ...] = ("auto",)
    seed: int = 0
    wishes: Wishes = field(default_factory=Wishes)
    timing: Timing = field(default_factory=Timing)
    all_passed: bool = False
