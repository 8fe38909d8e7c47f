"""Which nodes suffer from being made lighter, found by measurement."""

from pumice.optimize.sensitivity.search import LeaveOut, Search, Sensitivity, find_sensitive

__all__ = ["LeaveOut", "Search", "Sensitivity", "find_sensitive"]
