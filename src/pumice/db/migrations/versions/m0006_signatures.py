"""Step 6: signatures of versions, and the signed heads of names. Nothing that is there is signed by this."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Float, Integer, LargeBinary, MetaData, String, Table

revision = "0006"
down_revision = "0005"


def upgrade(connection: Connection) -> None:
    """Make the tables."""
    metadata = MetaData()
    Table(
        "store_signatures",
        metadata,
        Column("model", String(128), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("digest", String(64), primary_key=True),
        Column("form", String, nullable=False),
        Column("created", Float, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "store_heads",
        metadata,
        Column("model", String(128), primary_key=True),
        Column("counter", BigInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
