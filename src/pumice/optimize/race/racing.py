"""The rounds of the race: a block of timing, a block of examples, and a look at everybody's evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from pumice.domain.errors import PumiceError
from pumice.domain.evidence.verdict import Verdict
from pumice.optimize.examples import Examples
from pumice.optimize.loaded import Measured
from pumice.optimize.quality.batching import serving_batches
from pumice.optimize.race.answering import Answers, Block, answers_to, judged
from pumice.optimize.race.contender import Contender
from pumice.optimize.race.journal import Journal
from pumice.optimize.race.models import Models
from pumice.optimize.race.plan import Plan
from pumice.optimize.race.reasons import FUTILE, lost, no_answers
from pumice.optimize.race.telling import DONE, Telling
from pumice.optimize.race.timetable import BASE, Timetable


class Race:
    """Races contenders until each is decided, or there are no more examples.

    All see the same examples in the same order and in the same batches. Whoever is proven bad, or cannot be proven
    good with the examples that are left, or is proven slow, leaves at once. Whoever is proven good answers no more
    examples as soon as the interval of its drop, which is two-sided and so a little wider, is below the margin too, or
    it has answered as many again; its verdict stands in any case.

    Args:
        plan: What is asked for.
        examples: Those of the certification.
        journal: Keeps what was found.
        models: The models.
        timetable: Times the contenders.
        telling: Tells how the race stands.
    """

    def __init__(
        self,
        plan: Plan,
        examples: Examples,
        journal: Journal,
        models: Models,
        timetable: Timetable,
        *,
        telling: Telling,
    ) -> None:
        self._plan = plan
        self._examples = examples
        self._journal = journal
        self._models = models
        self._timetable = timetable
        self._telling = telling

    def run(self, contenders: Sequence[Contender]) -> None:
        """Race."""
        for number in range(math.ceil(len(self._examples) / self._plan.block)):
            self._time(contenders)
            running = [contender for contender in contenders if self._open(contender)]
            if not running:
                break
            self._block(number, running)
        while any(map(self._timed_on, contenders)):
            self._time(contenders)
        for contender in contenders:
            contender.stage = "done"
        self._telling.step(DONE)

    def _time(self, contenders: Sequence[Contender]) -> None:
        self._telling.step("timing")
        for contender in filter(self._timed_on, contenders):
            contender.stage = "timing"
            self._telling.tell()
            self._timetable.time(contender)
            self._let_go(contender)

    def _timed_on(self, contender: Contender) -> bool:
        """Whether its latency still matters: once the examples are used up, only of what has passed."""
        used_up = contender.evaluated >= len(self._examples) and contender.verdict is not Verdict.PASS
        return not used_up and self._timetable.wants(contender)

    def _open(self, contender: Contender) -> bool:
        """Whether more examples may still tell something of its quality that matters."""
        if not contender.racing or contender.verdict is Verdict.NOT_YET:
            return contender.racing
        quality = contender.quality()
        loose = quality is not None and quality.drop_interval[1] > self._plan.max_drop
        return loose and contender.evaluated < 2 * contender.passed_at

    def _block(self, number: int, running: Sequence[Contender]) -> None:
        self._telling.step("racing")
        start = number * self._plan.block
        rows = np.arange(start, min(start + self._plan.block, len(self._examples)))
        places = list(serving_batches(len(rows), (self._plan.seed, number), self._largest()))
        batches = [self._examples.take(rows[place]) for place in places]
        examples = self._examples.take(rows[np.concatenate(places)])
        base = _Once(lambda: answers_to(self._model(BASE), batches))
        for contender in running:
            contender.stage = "racing"
            self._telling.tell()
            key = f"block/{contender.name}/{number}"
            block = self._journal.once(key, Block, partial(self._judged, contender, batches, base))
            self._take(contender, block, examples)
        self._telling.done = int(rows[-1]) + 1
        self._telling.tell()

    def _judged(self, contender: Contender, batches: Sequence[Examples], base: _Once) -> Block:
        try:
            model = self._model(contender.name)
        except PumiceError as error:
            return Block(problem=error.message)
        return judged(contender.judge or self._plan.judge, batches, base(), model)

    def _take(self, contender: Contender, block: Block, examples: Examples) -> None:
        contender.evaluated += len(examples)
        proof = contender.proof
        if block.problem or proof is None:
            contender.drop(no_answers(block.problem), broken=True)
        else:
            proof.update(block.seen(examples.slices))
            if proof.verdict is Verdict.FAIL:
                contender.drop(lost(contender.quality(), self._plan.max_drop))
            elif proof.verdict is Verdict.PASS:
                contender.passed_at = contender.passed_at or contender.evaluated
            elif proof.futile(len(self._examples)):
                contender.drop(FUTILE)
        self._let_go(contender)

    def _let_go(self, contender: Contender) -> None:
        if not contender.racing:
            self._models.free(contender.name)

    def _model(self, name: str) -> Measured:
        return self._models.get(name, threads=self._plan.timing.threads[0])[0]

    def _largest(self) -> int:
        return max(self._plan.timing.rows) if self._model(BASE).batchable else 1


class _Once:
    """The base's answers to a block, computed when the first contender needs them and then kept for the others."""

    def __init__(self, work: Callable[[], Answers]) -> None:
        self._work = work
        self._answers: Answers | None = None

    def __call__(self) -> Answers:
        """The answers."""
        if self._answers is None:
            self._answers = self._work()
        return self._answers
