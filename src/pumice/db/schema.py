"""The tables as they are now; how a database of an older version gets there is told in `pumice.db.migrations`."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(36), primary_key=True),  # UUIDv7: its order is the order of acceptance
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("face", String, nullable=False),
    Column("accepted", Float, nullable=False),
    Column("owner", String(36)),
    Column("request", LargeBinary, nullable=False),
    Index("tasks_waiting", "owner", "model", "version", "priority", "id"),
)
"""Accepted and not finished. A row is never changed but for its owner: the gateway that will run it, or nobody."""

results = Table(
    "task_results",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("face", String, nullable=False),
    Column("accepted", Float, nullable=False),
    Column("finished", Float, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("outcome", LargeBinary, nullable=False),
    Index("task_results_finished", "finished"),
)
"""Finished tasks. A table of its own, so that finishing copies no request and the table of the waiting stays small."""

owners = Table(
    "task_owners",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("until", Float, nullable=False),
)
"""Gateways that hold tasks, each with the moment (s since 1970) until which its word is good unless it renews it."""
