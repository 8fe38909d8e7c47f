"""The tables as they are now; how a database of an older version gets there is told in `pumice.db.migrations`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(36), primary_key=True),  # UUIDv7: its order is the order of acceptance
    Column("model", String, nullable=False),
    Column("version", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("face", String, nullable=False),
    Column("accepted", Float, nullable=False),
    Column("owner", String(36)),
    Column("request", LargeBinary, nullable=False),
    Column("caller", String, nullable=False, server_default=""),
    Column("rows", Integer, nullable=False, server_default="1"),
    Column("ttl", Float),
    Column("webhook", String, nullable=False, server_default=""),
    Index("tasks_waiting", "owner", "model", "version", "priority", "id"),
)
"""Accepted and not finished. A row is never changed but for its owner: the gateway that will run it, or nobody."""

parts = Table(
    "task_parts",
    metadata,
    Column("task", String(36), primary_key=True),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("rows", Integer, nullable=False),
    Column("outcome", LargeBinary, nullable=False),
)
"""What is done of large tasks that are not finished: their rows from ``first`` on."""

results = Table(
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
    Column("caller", String, nullable=False, server_default=""),
    Column("expires", Float),
    Index("task_results_finished", "finished"),
    Index("task_results_expires", "expires"),
)
"""Finished tasks. A table of its own, so that finishing copies no request and the table of the waiting stays small."""

webhooks = Table(
    "task_webhooks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("url", String, nullable=False),
    Column("begun", Float, nullable=False),
    Column("due", Float, nullable=False),
    Column("tries", Integer, nullable=False),
    Index("task_webhooks_due", "due"),
)
"""Finished tasks of which somebody wants to be told: the outbox, filled in the transaction that finishes the task."""

owners = Table(
    "task_owners",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("until", Float, nullable=False),
)
"""Gateways that hold tasks, each with the moment (s since 1970) until which its word is good unless it renews it."""

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the whole key, which has 256 random bits
    Column("scopes", Text, nullable=False),  # a JSON list
    Column("rate", Float),
    Column("burst", Integer),
    Column("created", Float, nullable=False),
    Column("created_by", String, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
    Column("used", Float),
)
"""Keys, the revoked ones too: who had which stays known."""

access_changes = Table("access_changes", metadata, Column("count", Integer, nullable=False))
"""One row, counted up with every change of a key that matters at the door: gateways look at it, and not at all keys."""

store_models = Table(
    "store_models",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("last", Integer, nullable=False),
)
"""Models that ever had a version, with the number that was given last: a number is given once."""

store_versions = Table(
    "store_versions",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False),  # of the manifest, in hex
    Column("created", Float, nullable=False),
    Column("made_by", String, nullable=False),
    Column("format", String, nullable=False),
    Column("task", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Index("store_versions_digest", "digest"),
)
"""The versions. The row is what makes a version exist; it is entered last and never changed."""

store_parents = Table(
    "store_parents",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("parent_model", String(128), primary_key=True),
    Column("parent_version", Integer, primary_key=True, autoincrement=False),
    Index("store_parents_parent", "parent_model", "parent_version"),
)
"""Which version was made from which; the manifest has the same, under its digest."""

store_aliases = Table(
    "store_aliases",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("move", Integer, nullable=False),  # the line of the journal that put it there
)
"""Where aliases point to now."""

store_journal = Table(
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
"""Every push, move of an alias and deletion. ``below`` is the line to which a rollback returns."""

store_packs = Table(
    "store_packs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),  # of its index of chunks, in hex
    Column("created", Float, nullable=False),
)
"""Files of chunks. A file that has no row here is no part of the store."""

store_chunks = Table(
    "store_chunks",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("pack", String(64), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Index("store_chunks_pack", "pack"),
)
"""Where the bytes of a digest lie."""

store_uses = Table(
    "store_uses",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("pack", String(64), primary_key=True),
    Index("store_uses_pack", "pack"),
)
"""Which packs hold chunks of a version."""

store_sessions = Table(
    "store_sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("until", Float, nullable=False),
)
"""Pushes and pulls that are under way, each with the moment (s since 1970) until which it is alive."""

store_served = Table(
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
"""Versions that a process has in memory, each as long as its session lives."""

store_pins = Table(
    "store_pins",
    metadata,
    Column("session", String(36), primary_key=True),
    Column("pack", String(64), primary_key=True),
    Index("store_pins_pack", "pack"),
)
"""Packs that a session relies on: no collector takes them."""

store_loose = Table("store_loose", metadata, Column("pack", String(64), primary_key=True))
"""Packs that a deleted version used: the collector looks how much of them is still needed."""

store_signatures = Table(
    "store_signatures",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), primary_key=True),  # of the body, in hex
    Column("form", String, nullable=False),
    Column("created", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Signed statements about versions. ``form`` is the type of the predicate, ``body`` a Sigstore bundle."""

store_heads = Table(
    "store_heads",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("counter", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""The signed state of each name: its versions, aliases and journal; ``counter`` grows with every change."""
store_places = Table(
    "store_places",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("url", String, nullable=False),
)
"""Where the packs are: one row, made by the first push. An object store has the id too; an empty URL is the home."""

answers = Table(
    "answers",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("request", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("name", String, nullable=False),
    Column("version", String, nullable=False),
    Column("source", String, nullable=False),
    Column("ref", String, nullable=False),  # the stored version that it is; empty: it is not stored
    Column("digest", String(64), nullable=False),
    Index("answers_request", "request"),
)
"""Which version answered which request, for servers that write it down."""

store_seals = Table(
    "store_seals",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("key_id", String, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("sealed", Float, nullable=False),  # when it was wrapped (s since 1970)
)
"""Data keys of sealed versions, wrapped. Not in the manifest: another key may wrap them, and no digest changes."""

FIRST_ROWS: tuple[tuple[Table, dict[str, Any]], ...] = ((access_changes, {"count": 0}),)
"""Rows that are there from the beginning."""
