"""Step 3: the keys by which callers are known, and the count of their changes."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Float, Integer, LargeBinary, MetaData, String, Table, Text, insert

revision = "0003"
down_revision = "0002"


def upgrade(connection: Connection) -> None:
    """Make the two tables."""
    metadata = MetaData()
    Table(
        "access_keys",
        metadata,
        Column("id", String(16), primary_key=True),
        Column("name", String, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("scopes", Text, nullable=False),
        Column("rate", Float),
        Column("burst", Integer),
        Column("created", Float, nullable=False),
        Column("created_by", String, nullable=False),
        Column("expires", Float),
        Column("revoked", Float),
        Column("used", Float),
    )
    changes = Table("access_changes", metadata, Column("count", Integer, nullable=False))
    metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(changes).values(count=0))
