"""The tables as they are now; how a database of an older version gets there is told in `pumice.db.migrations`."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

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
    Column("caller", String, nullable=False, server_default=""),
    Column("rows", Integer, nullable=False, server_default="1"),
    Column("ttl", Float),
    Column("webhook", String, nullable=False, server_default=""),
    Index("tasks_waiting", "owner", "model", "version", "priority", "id"),
)
"""Accepted and not finished. A row is never changed but for its owner: the gateway that will run it, or nobody."""

parts = Table(
    "task_parts",
    metadata,
    Column("task", String(36), primary_key=True),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("outcome", LargeBinary, nullable=False),
)
"""What is done of large tasks that are not finished: their rows from ``first`` on."""

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
    Column("caller", String, nullable=False, server_default=""),
    Column("expires", Float),
    Index("task_results_finished", "finished"),
    Index("task_results_expires", "expires"),
)
"""Finished tasks. A table of its own, so that finishing copies no request and the table of the waiting stays small."""

webhooks = Table(
    "task_webhooks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("url", String, nullable=False),
    Column("begun", Float, nullable=False),
    Column("due", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Index("task_webhooks_due", "due"),
)
"""Finished tasks of which somebody wants to be told: the outbox, filled in the transaction that finishes the task."""

owners = Table(
    "task_owners",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("until", Float, nullable=False),
)
"""Gateways that hold tasks, each with the moment (s since 1970) until which its word is good unless it renews it."""

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the whole key, which has 256 random bits
    Column("scopes", Text, nullable=False),  # a JSON list
    Column("rate", Float),
    Column("burst", Integer),
    Column("created", Float, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
    Column("used", Float),
)
"""Keys, the revoked ones too: who had which stays known."""

access_changes = Table("access_changes", metadata, Column("count", Integer, nullable=False))
"""One row, counted up with every change of a key that matters at the door: gateways look at it, and not at all keys."""
