"""Base and variants in the store: pushed once, certified once, with aliases that point to the best."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from pumice.domain.errors import VersionNotFound
from pumice.domain.evidence.certificate import Certificate
from pumice.domain.evidence.verdict import Verdict
from pumice.domain.store.manifest import VersionManifest
from pumice.domain.store.names import Ref
from pumice.domain.store.records import VersionRecord
from pumice.optimize.findings import Objective, QualityFinding, Report, VariantFinding
from pumice.optimize.making import link_files, write_manifest
from pumice.optimize.passes.base import MANIFEST, ModelFolder
from pumice.service.optimization.certifying import certificate_of, recipe_of
from pumice.service.optimization.originals import Original
from pumice.service.store.describing import describe
from pumice.service.store.store import Store
from pumice.service.store.types import PushWish

ALIASES: dict[Objective, str] = {"latency": "fast", "size": "small"}
"""What points to the best variant, by the objective."""


@dataclass(frozen=True)
class Kept:
    """What is in the store after an optimization.

    Attributes:
        base: The base.
        variants: Variants by name, those that were pushed and those that were there already.
        alias: The alias of the best variant, as ``NAME@ALIAS``; empty: nothing is offered.
        pushed: Versions that were not there before.
    """

    base: VersionRecord
    variants: dict[str, VersionRecord] = field(default_factory=dict)
    alias: str = ""
    pushed: list[VersionRecord] = field(default_factory=list)


class Keeper:
    """Stores what came of an optimization. Doing it twice is the same as doing it once.

    Args:
        store: The store.
        base: The original.
        report: What was found.
        work: Folder for what is put together before it is pushed.
    """

    def __init__(self, store: Store, base: Original, report: Report, work: Path) -> None:
        self._store = store
        self._original = base
        self._report = report
        self._work = work
        self._pushed: list[VersionRecord] = []

    def keep(self, variants: list[VariantFinding], folders: dict[str, ModelFolder]) -> Kept:
        """Store the base and variants of it.

        Args:
            variants: Those to store, the best first.
            folders: Where they lie, by name.

        Raises:
            Tampered: What is stored of the base has changed.
            StorageFailed: It could not be stored.
        """
        base = self.base()
        kept: dict[str, VersionRecord] = {}
        for variant in variants:
            if variant.quality is not None:
                kept[variant.name] = self._variant(variant, variant.quality, folders[variant.name], base)
        best = next((one for one in variants if one.offered and one.name in kept), None)
        alias = self._point(kept[best.name]) if best else ""
        return Kept(base, kept, alias, self._pushed)

    def base(self) -> VersionRecord:
        """The base as it is stored under the name; pushed if it is not there."""
        name, record = self._original.name, self._original.record
        if record is not None and record.model == name:
            return record
        parent = self._original.parent
        wish = PushWish(
            parents=(str(Ref(parent.model, version=parent.version)),) if parent else (),
            recipe=self._original.recipe,
            reason="the base of an optimization",
        )
        return self._pushed_once(self._original.source, name, wish)

    def certify(self, variant: VariantFinding, quality: QualityFinding, record: VersionRecord) -> None:
        """Attach what was found of a stored version that was made elsewhere to it; the base is stored, too."""
        self._certify(certificate_of(self._report, variant, quality, self.base(), {}), record)

    def _certify(self, certificate: Certificate, record: VersionRecord) -> None:
        self._store.certificates.add(str(Ref(record.model, version=record.version)), certificate)

    def _variant(
        self, variant: VariantFinding, quality: QualityFinding, folder: ModelFolder, base: VersionRecord
    ) -> VersionRecord:
        wish = PushWish(
            parents=(str(Ref(base.model, version=base.version)),),
            recipe=recipe_of(variant),
            reason=f"variant '{variant.name}' of {base.model}@{base.version}",
        )
        place = self._staged(variant, quality, folder)
        record = self._pushed_once(str(place), self._original.name, wish)
        shutil.rmtree(place)
        self._certify(certificate_of(self._report, variant, quality, base, wish.recipe), record)
        return record

    def _staged(self, variant: VariantFinding, quality: QualityFinding, folder: ModelFolder) -> Path:
        """Put a variant together with what was found of it in its manifest."""
        place = self._work / "staged" / f"{variant.digest[:16]}-{self._report.data.digest[:16]}"
        shutil.rmtree(place, ignore_errors=True)
        names = [file.relative_to(folder.path) for file in sorted(folder.path.rglob("*")) if file.is_file()]
        link_files([name for name in names if str(name) != MANIFEST], folder.path, place)
        manifest = msgspec.structs.replace(
            folder.manifest, batch_dependent=variant.batch_dependent, metrics=metrics_of(variant, quality)
        )
        write_manifest(place, ModelFolder(place, manifest))
        return place

    def _pushed_once(self, source: str, name: str, wish: PushWish) -> VersionRecord:
        found = same_version(self._store, source, name, wish)
        if found is None:
            found = self._store.push(source, name, wish)
            self._pushed.append(found)
        return found

    def _point(self, record: VersionRecord) -> str:
        alias = ALIASES[self._report.objective]
        try:
            stands = self._store.find(f"{record.model}@{alias}").version == record.version
        except VersionNotFound:
            stands = False
        if not stands:
            self._store.alias(record.model, alias, record.version, "the best variant of an optimization")
        return f"{record.model}@{alias}"


def metrics_of(variant: VariantFinding, quality: QualityFinding) -> dict[str, Any]:
    """What the manifest of a variant tells of it."""
    told: dict[str, Any] = {
        quality.metric: quality.value,
        "base": quality.base,
        "drop_interval": list(quality.drop_interval),
        "examples": quality.n,
        "verdict": str(variant.verdict),
    }
    if variant.latency_ms is not None:
        told["latency_ratio"] = variant.latency_ms.ratio
        told["latency_ratio_interval"] = list(variant.latency_ms.ratio_interval)
    return {key: value for key, value in told.items() if value is not None}


def wanted(report: Report, *, all_passed: bool) -> list[VariantFinding]:
    """Variants to store: those that are offered, or all that passed; the best first."""
    return [one for one in report.variants if one.offered or (all_passed and one.verdict is Verdict.PASS)]


def same_version(store: Store, source: str, name: str, wish: PushWish) -> VersionRecord | None:
    """Find a version of a model with the same files, parents and recipe, the newest of them.

    Args:
        store: The store.
        source: A file or folder, as it would be pushed.
        name: Name of the model.
        wish: What would be said of it.

    Raises:
        BadArtefact: The source cannot be pushed.
    """
    try:
        records = store.versions(name)
    except VersionNotFound:
        return None
    files: dict[str, str] = {}
    for file in describe(source).files:
        with file.open() as content:
            files[file.path] = hashlib.file_digest(content, "sha256").hexdigest()
    parents = [store.find(ref) for ref in wish.parents]
    above = [(record.model, record.version, record.digest) for record in parents]

    def is_same(manifest: VersionManifest) -> bool:
        own = [(parent.model, parent.version, parent.digest) for parent in manifest.parents]
        same = {file.path: file.sha256 for file in manifest.files} == files
        return same and own == above and manifest.recipe == wish.recipe

    for record in reversed(records):
        if is_same(store.show(str(Ref(name, version=record.version))).manifest):
            return record
    return None
