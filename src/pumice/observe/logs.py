"""Where log records go: readable lines on a terminal, one JSON object a line elsewhere.

The package logs through the standard library (``extra=`` holds the fields); structlog renders.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog

from pumice.observe.log_writer import LogWriter

Format = Literal["auto", "text", "json"]


def set_up_logs(level: str, form: Format, front: int = 0) -> None:
    """Send all records of this process to standard error.

    Args:
        level: Least level that is logged, for example ``info``.
        form: ``auto`` is ``text`` on a terminal and ``json`` elsewhere.
        front: Number of this front process, which each record then carries; 0: there is only one.
    """
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    common: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=not text),
    ]
    if front:
        common.append(lambda _logger, _method, record: {"front": front} | record)
    plain = structlog.dev.plain_traceback  # the rich one prints local variables, a caller's inputs among them
    last: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24, exception_formatter=plain)]
        if text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = LogWriter(sys.stderr.fileno())
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # uvicorn tells of each start and stop in its own words; ours are enough
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, root.level))
