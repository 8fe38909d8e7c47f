"""One variant in the race: what is proven of it, and why it left."""

from __future__ import annotations

from dataclasses import dataclass, field

from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.findings import QualityFinding
from pumice.optimize.latency.standing import LatencyStanding
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.progress import ContenderView, Stage
from pumice.optimize.quality.base import Judge
from pumice.optimize.quality.evidence import Proof
from pumice.optimize.race.builder import Told
from pumice.optimize.race.plan import Candidate
from pumice.optimize.race.reasons import Reason


@dataclass(eq=False)
class Contender:
    """One variant.

    Attributes:
        candidate: What it is.
        told: What came of its build; None before that.
        folder: Where it lies; None if it could not be built.
        judge: Judges its answers; None before it may race.
        proof: What is proven of its quality; None before it may race.
        latency: What is proven of its latency; None before it may race.
        left: Why it was dropped; empty while it may still win.
        broken: Whether it was dropped for answers that no judge needs to see, or for having none.
        stage: What is done with it.
        evaluated: Examples that it has answered to be judged.
        looked_at: Examples that it has answered before, for a first look.
        timed: Pairs in which it was timed.
        seconds: Time for which it was timed (s).
        batch_dependent: Whether a row's answer depends on its batch-mates.
        passed_at: Examples that it had answered when its quality was proven; 0 before that.
    """

    candidate: Candidate
    told: Told | None = None
    folder: ModelFolder | None = None
    judge: Judge | None = None
    proof: Proof | None = None
    latency: LatencyStanding | None = None
    left: list[Reason] = field(default_factory=list)
    broken: bool = False
    stage: Stage = "waiting"
    evaluated: int = 0
    looked_at: int = 0
    timed: int = 0
    seconds: float = 0.0
    batch_dependent: bool = False
    passed_at: int = 0
    _found: tuple[int, QualityFinding] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.candidate.name

    @property
    def racing(self) -> bool:
        """Whether it may still be offered."""
        return not self.left

    @property
    def verdict(self) -> Verdict:
        """Of its quality. What gives no answers, or senseless ones, has failed."""
        if self.broken:
            return Verdict.FAIL
        return self.proof.verdict if self.proof else Verdict.NOT_YET

    def drop(self, reason: Reason, *, broken: bool = False) -> None:
        """Take it out of the race."""
        self.left.append(reason)
        self.broken = self.broken or broken
        self.stage = "done"

    def quality(self) -> QualityFinding | None:
        """What is told of its quality; None before it has answered an example."""
        if not self.proof or not self.evaluated:
            return None
        # intervals are searched for, which costs more than a block of evidence
        if not self._found or self._found[0] != self.evaluated:
            self._found = self.evaluated, self.proof.finding()
        return self._found[1]

    def view(self, base_bytes: int) -> ContenderView:
        """A picture of it.

        Args:
            base_bytes: Size of the base.
        """
        quality = self.quality()
        ratio = None
        if self.latency and self.latency.timed:
            worst = self.latency.worst()
            ratio = (worst.ratio, worst.bounds.low, worst.bounds.high)
        size = self.told.size_bytes if self.told else 0
        return ContenderView(
            name=self.name,
            stage=self.stage,
            verdict=self.verdict,
            n=self.evaluated,
            drop=quality.drop_interval if quality else None,
            ratio=ratio,
            size_ratio=size / base_bytes if size and base_bytes else None,
            note="; ".join(reason.en for reason in self.left),
        )
