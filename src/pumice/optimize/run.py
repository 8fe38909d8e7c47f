"""The optimizer: builds variants of a model, races them, and says which may stand in for it, with the evidence."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from pumice.domain.errors import PumiceError
from pumice.domain.evidence.family import shared
from pumice.optimize.data.splitting import split
from pumice.optimize.diagnosis import Time, graph_facts, times_of
from pumice.optimize.examples import Examples
from pumice.optimize.findings import Report
from pumice.optimize.latency.standing import LatencyStanding
from pumice.optimize.loaded import Measured
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.progress import RaceView, Watch
from pumice.optimize.quality.evidence import Claim, Proof
from pumice.optimize.race import reasons
from pumice.optimize.race.builder import Told
from pumice.optimize.race.building import Builders
from pumice.optimize.race.contender import Contender
from pumice.optimize.race.digests import folder_digest, plan_key
from pumice.optimize.race.entry import opened, trim
from pumice.optimize.race.journal import Journal
from pumice.optimize.race.machine import load_told, machine_told
from pumice.optimize.race.models import Models
from pumice.optimize.race.offering import Offering
from pumice.optimize.race.plan import Material, Plan
from pumice.optimize.race.racing import Race
from pumice.optimize.race.reasons import Reason
from pumice.optimize.race.reporting import Circumstances, report
from pumice.optimize.race.screening import Screen, Screening
from pumice.optimize.race.telling import Telling
from pumice.optimize.race.timetable import BASE, Timer, Timetable, in_turn


@dataclass(frozen=True)
class Outcome:
    """What an optimization came to.

    Attributes:
        report: Everything that it found.
        folders: Where each variant that could be built lies, by name. They are in the cache: whoever wants to keep
            one copies it before another run makes room for itself.
    """

    report: Report
    folders: Mapping[str, ModelFolder]


def optimize(plan: Plan, watch: Watch, timer: Timer = in_turn) -> Outcome:
    """Build variants, race them, and find out which may stand in for the model.

    A run that was killed goes on where it was when it is asked for again, and one that has ended is not repeated: its
    results are in the cache. Two at once on the same inputs: the second waits for the first one's results.

    Args:
        plan: What is asked for.
        watch: Told how the race stands.
        timer: Times base and candidate in turn.

    Returns:
        The report, and where the variants lie.

    Raises:
        BadSetting: A value of the plan is not allowed, or there are too few examples.
        PumiceError: The model itself cannot be loaded, or fails on the data.
    """
    plan.check()
    machine = machine_told()
    key = plan_key(plan, machine)

    def waiting() -> None:
        watch(RaceView("waiting for another run on the same inputs", 0, 0, []))

    with opened(plan.cache, key, waiting) as folder:
        journal = _sound_journal(folder)
        try:
            outcome = _Run(plan, folder, journal, watch, timer).go(machine)
        finally:
            journal.close()
        trim(plan.cache, plan.cache_bytes, key)
    return outcome


def _sound_journal(folder: Path) -> Journal:
    """Open a run's journal; one that tells of variants which are not there as they were built is begun anew."""
    journal = Journal(folder / "journal.jsonl")
    for key in journal.keys("build/"):
        told = journal.once(key, Told, Told)
        place = _place(folder, key.removeprefix("build/"))
        if not told.problem and (not place.is_dir() or folder_digest(place) != told.digest):
            journal.close()
            shutil.rmtree(folder)
            folder.mkdir()
            return Journal(folder / "journal.jsonl")
    return journal


def _place(folder: Path, name: str) -> Path:
    """Where a variant lies; its name may hold what a file's may not."""
    return (
        folder / "variants" / "".join(sign if sign.isalnum() or sign in "-_." else f"%{ord(sign):x}" for sign in name)
    )


def slice_sizes(examples: Examples) -> dict[str, int] | None:
    """How many examples each part of the data has; None if the data names no parts."""
    return None if examples.slices is None else dict(Counter(map(str, examples.slices)))


class _Run:
    """One run, in its folder."""

    def __init__(self, plan: Plan, folder: Path, journal: Journal, watch: Watch, timer: Timer) -> None:
        self._plan = plan
        self._folder = folder
        self._journal = journal
        self._splits = split(plan.examples, plan.seed)
        self._contenders = [Contender(candidate) for candidate in plan.candidates]
        self._models = Models({BASE: plan.source})
        certified = self._splits.certification
        self._screening = Screening(plan.judge, self._splits.search, max(plan.timing.rows), plan.seed)
        self._telling = Telling(watch, self._contenders, len(certified), plan.source.size_bytes)
        self._timetable = Timetable(plan.timing, plan.objective, certified, journal, self._models, timer=timer)

    def go(self, machine: dict[str, str]) -> Outcome:
        """Do every step that is not done yet."""
        created = self._journal.once("created", str, lambda: datetime.now(UTC).isoformat(timespec="seconds"))
        told = {**machine, "load": self._journal.once("load", str, load_told)}
        graph = self._journal.once("graph", Told, lambda: Told(graph=graph_facts(self._plan.source))).graph
        with Builders(self._plan.build_seconds) as builders:
            for contender in self._contenders:
                self._build(contender, builders)
        for contender in self._contenders:
            self._screen(contender)
        self._share_error()
        race = Race(
            self._plan, self._splits.certification, self._journal, self._models, self._timetable, telling=self._telling
        )
        race.run(self._contenders)
        offering = Offering(self._plan.objective, graph, self._timetable, self._why_slow)
        variants = offering.findings(self._contenders)
        self._models.close()
        circumstances = Circumstances(created, told, self._journal.seconds, graph)
        found = report(self._plan, self._splits, self._contenders, variants, circumstances)
        return Outcome(found, {c.name: c.folder for c in self._contenders if c.folder})

    def _build(self, contender: Contender, builders: Builders) -> None:
        contender.stage = "building"
        self._telling.step(f"building {contender.name}")
        plan = self._plan
        material = Material(plan.source, self._splits.calibration, self._splits.search, plan.seed)
        target = _place(self._folder, contender.name)
        contender.told = told = self._journal.once(
            f"build/{contender.name}",
            Told,
            lambda: builders.build(contender.candidate, material, target),
        )
        contender.stage = "waiting"
        if told.problem:
            reason = reasons.no_answers if told.built else reasons.not_built
            contender.drop(reason(told.problem), broken=told.built)
            return
        contender.folder = self._models.folders[contender.name] = ModelFolder.read(target)

    def _screen(self, contender: Contender) -> None:
        if not contender.racing:
            return
        self._telling.step("looking at first answers")
        found = self._journal.once(f"screen/{contender.name}", Screen, lambda: self._screened(contender.name))
        contender.looked_at = found.n
        contender.batch_dependent = found.dependence is not None and found.dependence.dependent
        size, base = contender.told.size_bytes if contender.told else 0, self._plan.source.size_bytes
        if found.problem:
            contender.drop(reasons.no_answers(found.problem), broken=True)
            self._models.free(contender.name)
        elif self._plan.objective == "size" and size >= base:
            contender.drop(reasons.not_smaller(size, base))
            self._models.free(contender.name)

    def _screened(self, name: str) -> Screen:
        try:
            return self._screening.look(*self._pair(name))
        except PumiceError as error:
            return Screen(error.message)

    def _pair(self, name: str) -> list[Measured]:
        return self._models.get(BASE, name, threads=self._plan.timing.threads[0])

    def _share_error(self) -> None:
        """Give each contender that may race its part of the error: half for quality, half for latency.

        How many they are was decided without an example of the certification.
        """
        racing = [contender for contender in self._contenders if contender.racing]
        if not racing:
            return
        plan = self._plan
        sizes = slice_sizes(self._splits.certification)
        batchable = self._models.get(BASE, threads=plan.timing.threads[0])[0].batchable
        for contender, alpha in zip(racing, shared(1.0 - plan.confidence, len(racing)), strict=True):
            quality, latency = shared(alpha, 2)
            contender.judge = self._screening.judge_of(*self._pair(contender.name))
            labelled = plan.examples.labels is not None
            claim = Claim(plan.max_drop, quality, labelled=labelled, strict=plan.strict_slices)
            contender.proof = Proof(plan.judge.metric, claim, sizes)
            contender.latency = LatencyStanding(plan.timing.points(batchable=batchable), latency)

    def _why_slow(self, contender: Contender) -> list[Reason]:
        if not contender.folder or not contender.latency:
            return []
        place = contender.latency.slowest()
        rows = np.arange(place.point.rows) % len(self._splits.search)
        inputs = self._splits.search.take(rows).inputs
        own, base = (
            self._journal.once(
                f"nodes/{name}/{place.point.rows}x{place.point.threads}",
                list[Time],
                partial(times_of, folder, inputs, place.point.threads),
            )
            for name, folder in ((contender.name, contender.folder), (BASE, self._plan.source))
        )
        return reasons.seen_in_times(own, base)
