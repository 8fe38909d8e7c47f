"""The database: one writer thread with group commit, migrations, leases, and the statements of each table.

SQLAlchemy Core; the SQL is kept to what SQLite and PostgreSQL share. SQLAlchemy takes 0.4 s and 28 MB to import, so
nothing on the way to a ready server imports the modules of this package: who needs them does so at the first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "pumice.sqlite"
"""The embedded database in the home."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is.

    Attributes:
        home: The home; its folder has the locks of the gateways that share it.
        url: SQLAlchemy URL of a PostgreSQL database; empty: the embedded one, a file in the home.
    """

    home: Path
    url: str = ""

    @property
    def embedded(self) -> bool:
        """Whether it is the file in the home."""
        return not self.url

    @property
    def begun(self) -> bool:
        """Whether there may be something in it: an embedded one without a file is empty."""
        return not self.embedded or database_file(self.home).exists()

    def __str__(self) -> str:
        return str(database_file(self.home)) if self.embedded else "the database"


def database_file(home: Path) -> Path:
    """The embedded database of a home."""
    return home / FILE_NAME
