"""The database: one writer thread with group commit, migrations, leases, and the statements of each table.

SQLAlchemy Core; the SQL is kept to what SQLite and PostgreSQL share. SQLAlchemy takes 0.4 s and 28 MB to import, so
nothing on the way to a ready server imports the modules of this package: who needs them does so at the first use.
"""

from __future__ import annotations

from pathlib import Path

FILE_NAME = "pumice.sqlite"
"""The embedded database in the home."""


def database_file(home: Path) -> Path:
    """The embedded database of a home."""
    return home / FILE_NAME
