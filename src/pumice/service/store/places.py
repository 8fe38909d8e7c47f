"""From settings to the places where a store is."""

from __future__ import annotations

from pumice.config import Settings
from pumice.store.cache import PieceCache
from pumice.store.layout import Layout
from pumice.store.objects import Objects
from pumice.store.remote import RemotePacks


def layout_of(settings: Settings) -> Layout:
    """The store of the settings; nothing is asked for yet.

    Raises:
        BadSetting: The URL of the object store is none.
    """
    if not settings.store_url:
        return Layout(settings.home_path)
    cache = PieceCache(settings.home_path / "cache" / "packs", settings.store_cache_size)
    return Layout(settings.home_path, RemotePacks(Objects(settings.store_url, settings.store_options), cache))
