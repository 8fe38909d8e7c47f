"""What a model's code may ask about the batch that it is working on."""

from __future__ import annotations

from contextvars import ContextVar

_traces: ContextVar[tuple[str, ...]] = ContextVar("pumice_traces", default=())


def current_traces() -> tuple[str, ...]:
    """Give the W3C trace contexts (``traceparent``) of the requests in the running batch, in the order of their rows.

    Requests that came without one are not among them. A model that calls other services passes them on.
    """
    return _traces.get()


def set_traces(traces: tuple[str, ...]) -> None:
    """Note the trace contexts of the batch that is about to run."""
    _traces.set(traces)
