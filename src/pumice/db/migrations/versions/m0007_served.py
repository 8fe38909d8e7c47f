"""Step 7: what is served, and where."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Index, Integer, MetaData, String, Table

revision = "0007"
down_revision = "0006"


def upgrade(connection: Connection) -> None:
    """Make the table."""
    metadata = MetaData()
    Table(
        "store_served",
        metadata,
        Column("session", String(36), primary_key=True),
        Column("model", String(128), nullable=False),
        Column("version", Integer, nullable=False),
        Column("name", String, nullable=False),
        Column("place", String, nullable=False),
        Column("since", Float, nullable=False),
        Index("store_served_version", "model", "version"),
    )
    metadata.create_all(connection, checkfirst=False)
