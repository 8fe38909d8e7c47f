"""The counters in Prometheus's form, made when somebody scrapes.

`prometheus_client` is loaded at the first scrape: it costs memory and start-up time that an idle server can save.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pumice.observe.observed import Observation, Observed

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Exposition:
    """Writes what is served and how it goes.

    Args:
        observed: Gives all served versions, at each scrape.
        server_version: Version of the server.
    """

    def __init__(self, observed: Callable[[], Iterable[Observed]], server_version: str) -> None:
        self._observed = observed
        self._server_version = server_version
        self._registry: CollectorRegistry | None = None

    def load(self) -> None:
        """Load what a scrape needs; takes a while the first time and may run in another thread."""
        if self._registry is None:
            from prometheus_client import CollectorRegistry, ProcessCollector

            from pumice.observe.collector import ServingCollector

            registry = CollectorRegistry(auto_describe=False)
            registry.register(ServingCollector(self._observed, self._server_version))
            ProcessCollector(registry=registry)
            self._registry = registry

    def render(self, accept: str, whole: Observation | None = None) -> tuple[bytes, str]:
        """Write all metrics.

        To be called in the thread that counts.

        Args:
            accept: The scraper's ``Accept`` header; chooses between Prometheus text and OpenMetrics.
            whole: What all processes of the server counted, if there are several.

        Returns:
            The text, and its content type.
        """
        self.load()
        assert self._registry is not None  # noqa: S101 - just loaded
        from prometheus_client.exposition import choose_encoder

        try:
            write, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # a version in the header that is no version
            write, content_type = choose_encoder("")
        return write(self._registry if whole is None else self._registry_of(whole)), content_type

    def _registry_of(self, whole: Observation) -> CollectorRegistry:
        from prometheus_client import CollectorRegistry

        from pumice.observe.collector import ProcessesCollector, ServingCollector

        registry = CollectorRegistry(auto_describe=False)
        registry.register(ServingCollector(lambda: whole.versions, self._server_version))
        registry.register(ProcessesCollector(whole.processes))
        return registry
