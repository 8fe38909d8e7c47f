"""The models that this server knows: what is in memory, what may be, and how that changes while it serves."""

from __future__ import annotations

from pumice.service.models.admission import named_by
from pumice.service.models.dormant import Dormant
from pumice.service.models.entry import Entry, ModelState, State
from pumice.service.models.operations import Models
from pumice.service.models.ports import Launcher, ModelsOptions

__all__ = ["Dormant", "Entry", "Launcher", "ModelState", "Models", "ModelsOptions", "State", "named_by"]
