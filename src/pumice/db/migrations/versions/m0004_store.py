"""Step 4: the model store: versions, aliases, the journal, and where chunks lie."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

revision = "0004"
down_revision = "0003"


def upgrade(connection: Connection) -> None:
    """Make the tables."""
    metadata = MetaData()
    Table(
        "store_models",
        metadata,
        Column("name", String(128), primary_key=True),
        Column("last", Integer, nullable=False),
    )
    Table(
        "store_versions",
        metadata,
        Column("model", String(128), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("digest", String(64), nullable=False),
        Column("created", Float, nullable=False),
        Column("made_by", String, nullable=False),
        Column("format", String, nullable=False),
        Column("task", String, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("files", Integer, nullable=False),
        Column("stored", BigInteger, nullable=False),
        Index("store_versions_digest", "digest"),
    )
    Table(
        "store_parents",
        metadata,
        Column("model", String(128), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("parent_model", String(128), primary_key=True),
        Column("parent_version", Integer, primary_key=True, autoincrement=False),
        Index("store_parents_parent", "parent_model", "parent_version"),
    )
    Table(
        "store_aliases",
        metadata,
        Column("model", String(128), primary_key=True),
        Column("alias", String(64), primary_key=True),
        Column("version", Integer, nullable=False),
        Column("move", Integer, nullable=False),
    )
    Table(
        "store_journal",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("model", String(128), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("alias", String(64), nullable=False),
        Column("version", Integer, nullable=False),
        Column("below", Integer),
        Column("at", Float, nullable=False),
        Column("moved_by", String, nullable=False),
        Column("reason", Text, nullable=False),
        Index("store_journal_alias", "model", "alias", "id"),
    )
    Table(
        "store_packs",
        metadata,
        Column("id", String(64), primary_key=True),
        Column("size", BigInteger, nullable=False),
        Column("digest", String(64), nullable=False),
        Column("created", Float, nullable=False),
    )
    Table(
        "store_chunks",
        metadata,
        Column("digest", LargeBinary(32), primary_key=True),
        Column("pack", String(64), nullable=False),
        Column("start", BigInteger, nullable=False),
        Column("size", Integer, nullable=False),
        Index("store_chunks_pack", "pack"),
    )
    Table(
        "store_uses",
        metadata,
        Column("model", String(128), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("pack", String(64), primary_key=True),
        Index("store_uses_pack", "pack"),
    )
    Table(
        "store_sessions",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("until", Float, nullable=False),
    )
    Table(
        "store_pins",
        metadata,
        Column("session", String(36), primary_key=True),
        Column("pack", String(64), primary_key=True),
        Index("store_pins_pack", "pack"),
    )
    metadata.create_all(connection, checkfirst=False)
