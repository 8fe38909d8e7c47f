"""Builders of variants, found by name in the process that builds."""

from __future__ import annotations

import shutil
from pathlib import Path

from pumice.optimize.passes.int8_dynamic import Int8Dynamic
from pumice.optimize.race.plan import Built, Material


def int8_dynamic(material: Material, target: Path) -> Built:
    """Quantize."""
    Int8Dynamic().apply(material.source, target)
    return Built()


def same(material: Material, target: Path) -> Built:
    """Copy."""
    shutil.copytree(material.source.path, target)
    return Built()
