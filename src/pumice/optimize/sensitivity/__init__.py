"""Which nodes suffer from being made lighter, found by measurement."""

from pumice.optimize.sensitivity.search import Search, Sensitivity, find_sensitive

__all__ = ["Search", "Sensitivity", "find_sensitive"]
