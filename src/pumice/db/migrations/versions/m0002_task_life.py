"""Step 2: what is kept of a task's life: its caller, its parts, how long its result stays, who is told of it."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Index, Integer, LargeBinary, MetaData, String, Table, text

revision = "0002"
down_revision = "0001"

_COLUMNS = (
    "tasks ADD COLUMN caller VARCHAR DEFAULT '' NOT NULL",
    "tasks ADD COLUMN rows INTEGER DEFAULT '1' NOT NULL",
    "tasks ADD COLUMN ttl FLOAT",
    "tasks ADD COLUMN webhook VARCHAR DEFAULT '' NOT NULL",
    "task_results ADD COLUMN caller VARCHAR DEFAULT '' NOT NULL",
    "task_results ADD COLUMN expires FLOAT",
)


def upgrade(connection: Connection) -> None:
    """Add the columns, and the tables of parts and webhooks."""
    for column in _COLUMNS:
        connection.execute(text(f"ALTER TABLE {column}"))
    connection.execute(text("CREATE INDEX task_results_expires ON task_results (expires)"))
    metadata = MetaData()
    Table(
        "task_parts",
        metadata,
        Column("task", String(36), primary_key=True),
        Column("first", Integer, primary_key=True, autoincrement=False),
        Column("rows", Integer, nullable=False),
        Column("outcome", LargeBinary, nullable=False),
    )
    Table(
        "task_webhooks",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("url", String, nullable=False),
        Column("begun", Float, nullable=False),
        Column("due", Float, nullable=False),
        Column("tries", Integer, nullable=False),
        Index("task_webhooks_due", "due"),
    )
    metadata.create_all(connection, checkfirst=False)
