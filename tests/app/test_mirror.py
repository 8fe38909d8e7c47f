"""What a front remembers of models that are not served any more stays bounded."""

from __future__ import annotations

from pumice.app.channel import Channel
from pumice.app.known import MOST_GONE
from pumice.app.messages import Asleep, Flip, ToFront
from pumice.app.mirror import Mirror
from pumice.config import ModelSettings
from pumice.observe.stats import VersionStats
from pumice.service.catalog import Catalog

NAMES = 2000


async def answer(message: ToFront) -> object:
    return message


def ignore(*_: object) -> None:
    """Nobody is told."""


def test_the_counters_of_so_many_models_that_went_are_kept() -> None:
    catalog = Catalog()
    mirror = Mirror(catalog, Channel(ToFront, ignore, answer, ignore))

    def stats_of(name: str) -> VersionStats:
        mirror.flip(Flip(name, [Asleep(ModelSettings(name=name, source="x", version="1"), None, "", 0.0)]))
        return catalog.find(name).stats

    stats_of("listed").loads = 7
    for number in range(NAMES):
        stats_of(f"m{number}").loads = number
        mirror.flip(Flip(f"m{number}", []))
    assert len(mirror._known) == MOST_GONE + 1
    assert stats_of("listed").loads == 7
    assert stats_of(f"m{NAMES - 1}").loads == NAMES - 1
    assert stats_of("m0").loads == 0
