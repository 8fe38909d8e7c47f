"""Where the packs of the model store are."""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, String, Table

revision = "0010"
down_revision = "0009"


def upgrade(connection: Connection) -> None:
    """Make the table."""
    metadata = MetaData()
    Table(
        "store_places",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("url", String, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
