"""Step 8: which version answered which request."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Float, Index, Integer, MetaData, String, Table

revision = "0008"
down_revision = "0007"


def upgrade(connection: Connection) -> None:
    """Make the table."""
    metadata = MetaData()
    Table(
        "answers",
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("request", String, nullable=False),
        Column("at", Float, nullable=False),
        Column("name", String, nullable=False),
        Column("version", String, nullable=False),
        Column("source", String, nullable=False),
        Column("ref", String, nullable=False),
        Column("digest", String(64), nullable=False),
        Index("answers_request", "request"),
    )
    metadata.create_all(connection, checkfirst=False)
