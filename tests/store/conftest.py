"""A store in a home of its own, and sources to push."""

from tests.support.homes import home, source, store

__all__ = ["home", "source", "store"]
