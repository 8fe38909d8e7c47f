"""Step 5: packs that a version stopped using."""

from __future__ import annotations

from sqlalchemy import Column, Connection, MetaData, String, Table

revision = "0005"
down_revision = "0004"


def upgrade(connection: Connection) -> None:
    """Make the table."""
    metadata = MetaData()
    Table("store_loose", metadata, Column("pack", String(64), primary_key=True))
    metadata.create_all(connection, checkfirst=False)
