"""Step 1: asynchronous tasks, their results, and the gateways that hold them."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Index, Integer, LargeBinary, MetaData, String, Table

revision = "0001"
down_revision = None


def upgrade(connection: Connection) -> None:
    """Make the three tables."""
    metadata = MetaData()
    Table(
        "tasks",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("model", String, nullable=False),
        Column("version", String, nullable=False),
        Column("priority", Integer, nullable=False),
        Column("face", String, nullable=False),
        Column("accepted", Float, nullable=False),
        Column("owner", String(36)),
        Column("request", LargeBinary, nullable=False),
        Index("tasks_waiting", "owner", "model", "version", "priority", "id"),
    )
    Table(
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
    Table(
        "task_owners",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("until", Float, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
