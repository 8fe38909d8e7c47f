"""``optimize`` and ``certify``, the same for every face."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from pumice.domain.errors import BadSetting
from pumice.domain.store.names import Ref
from pumice.domain.store.records import VersionRecord
from pumice.optimize.findings import Report, VariantFinding
from pumice.optimize.progress import Watch
from pumice.optimize.run import optimize as race
from pumice.service.optimization.asked import Asked
from pumice.service.optimization.keeping import Keeper, Kept, wanted
from pumice.service.optimization.originals import Original, find_original
from pumice.service.optimization.planning import plan_of
from pumice.service.store.store import Store


@dataclass(frozen=True)
class Optimized:
    """What came of an optimization.

    Attributes:
        report: What was found; variants that are stored say their version.
        kept: What is in the store.
    """

    report: Report
    kept: Kept


@dataclass(frozen=True)
class Certified:
    """What came of a certification.

    Attributes:
        report: What was found; its only variant is the candidate.
        candidate: The stored version that the certificate is attached to; None: nothing is attached.
        why_not: Why nothing is attached; empty if something is.
    """

    report: Report
    candidate: VersionRecord | None
    why_not: str = ""

    @property
    def finding(self) -> VariantFinding:
        """What was found of the candidate."""
        return self.report.variants[0]


def optimize(asked: Asked, store: Store, watch: Watch) -> Optimized:
    """Make a model light, and keep what may stand in for it.

    The base is stored if it is not there. A run that was cut off goes on where it was, and one that is repeated takes
    its results from the folder of work and stores nothing twice.

    Args:
        asked: What is asked for.
        store: The store.
        watch: Told how it goes.

    Raises:
        BadArtefact: The model cannot be used.
        BadSetting: Something that is asked for is not possible.
        MissingDependency: An extra is not installed.
        StorageFailed: The store cannot be written.
    """
    original = find_original(asked.source, store, asked.work, asked.name)
    plan = plan_of(asked, original)
    outcome = race(plan, watch)
    report = outcome.report
    keeper = Keeper(store, original, report, asked.work)
    kept = keeper.keep(wanted(report, all_passed=asked.all_passed), dict(outcome.folders))
    variants = [_with_version(one, kept.variants.get(one.name)) for one in report.variants]
    return Optimized(msgspec.structs.replace(report, variants=variants), kept)


def certify(asked: Asked, store: Store, watch: Watch) -> Certified:
    """Hold a model that was made elsewhere against its base.

    If both are stored, the evidence is signed and attached to the candidate, whatever it says.

    Args:
        asked: What is asked for.
        store: The store.
        watch: Told how it goes.

    Raises:
        BadArtefact: A model cannot be used.
        BadSetting: Something that is asked for is not possible.
        MissingDependency: An extra is not installed.
        StorageFailed: The store cannot be written.
    """
    base = find_original(asked.against, store, asked.work)
    candidate = find_original(asked.source, store, asked.work, asked.name)
    if candidate.record is not None and candidate.record == base.record:
        raise BadSetting("--against", repr(asked.against), "another version than the candidate")
    plan = plan_of(asked, base, candidate)
    report = race(plan, watch).report
    finding = report.variants[0]
    why_not = _why_not(candidate, base, finding)
    if why_not or finding.quality is None or candidate.record is None or base.record is None:
        return Certified(report, None, why_not)
    keeper = Keeper(store, base, report, asked.work)
    keeper.certify(finding, finding.quality, candidate.record)
    return Certified(
        msgspec.structs.replace(report, variants=[_with_version(finding, candidate.record)]), candidate.record
    )


def _why_not(candidate: Original, base: Original, finding: VariantFinding) -> str:
    if candidate.record is None:
        return "the candidate is not in the store: `pumice models push` it, and certify NAME@VERSION"
    if base.record is None:
        return "the base is not in the store: `pumice models push` it, and name it as --against NAME@VERSION"
    return "" if finding.quality is not None else "the candidate answered nothing that could be judged"


def _with_version(variant: VariantFinding, record: VersionRecord | None) -> VariantFinding:
    if record is None:
        return variant
    return msgspec.structs.replace(variant, version=str(Ref(record.model, version=record.version)))
