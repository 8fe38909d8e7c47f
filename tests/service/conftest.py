"""Both databases, for the tests of this folder."""

from tests.support.stores import cluster, place, postgres

__all__ = ["cluster", "place", "postgres"]
