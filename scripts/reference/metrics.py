"""The page of all metrics, from their catalogue."""

from __future__ import annotations

from pumice.observe import catalogue
from scripts.reference.markdown import code, table

LEAD = """\
`GET /metrics` answers in the Prometheus text format. Counts and times are kept as plain numbers while requests are
served, and put together when they are scraped. Prometheus's own `process_*` metrics of the gateway come with them.
"""


def page() -> str:
    """Write the page."""
    rows = [
        (code(metric.name), metric.kind, ", ".join(map(code, metric.labels)), metric.help)
        for metric in catalogue.METRICS
    ]
    labels = [
        (code("reason"), ", ".join(map(code, catalogue.SHED_REASONS))),
        (code("result"), ", ".join(map(code, catalogue.CACHE_RESULTS))),
        (code("state"), ", ".join(map(code, catalogue.REPLICA_STATES))),
    ]
    return "\n".join(
        [
            "# Metrics\n",
            LEAD,
            table(("metric", "type", "labels", "what it tells"), rows),
            "## Values of labels\n",
            table(("label", "values"), labels),
        ]
    )
