"""How large the batches were, from the server's own metrics."""

from __future__ import annotations

from dataclasses import dataclass

from pumice.cli.bench.job import bearer

METRIC = "pumice_batch_size"
"""A histogram over the rows of the batches that were run."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Batches so far.

    Attributes:
        count: How many.
        rows: Rows in all of them.
    """

    count: float
    rows: float

    def mean_since(self, before: Batches) -> float | None:
        """Return the mean size of the batches since an earlier look, or None if there were none (rows)."""
        count = self.count - before.count
        return (self.rows - before.rows) / count if count > 0 else None


def read_batches(url: str, model: str, timeout_s: float, api_key: str | None = None) -> Batches | None:
    """Look at ``/metrics``.

    Args:
        url: The server.
        model: Name of the model.
        timeout_s: Longest wait (s).
        api_key: Key to send, if there is one.

    Returns:
        None if the server has no such metric, or does not show it to the caller.
    """
    import httpx
    from prometheus_client.parser import text_string_to_metric_families

    try:
        reply = httpx.get(f"{url.rstrip('/')}/metrics", timeout=timeout_s, headers=bearer(api_key))
        families = list(text_string_to_metric_families(reply.text)) if reply.is_success else []
    except (httpx.HTTPError, ValueError):
        return None
    samples = [sample for family in families for sample in family.samples if sample.labels.get("model") == model]
    counts = [sample.value for sample in samples if sample.name == f"{METRIC}_count"]
    rows = [sample.value for sample in samples if sample.name == f"{METRIC}_sum"]
    return Batches(sum(counts), sum(rows)) if counts else None
