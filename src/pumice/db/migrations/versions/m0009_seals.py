"""Step 9: wrapped data keys of sealed versions."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Integer, LargeBinary, MetaData, String, Table

revision = "0009"
down_revision = "0008"


def upgrade(connection: Connection) -> None:
    """Make the table."""
    metadata = MetaData()
    Table(
        "store_seals",
        metadata,
        Column("model", String(128), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("key_id", String, nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
        Column("sealed", Float, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
