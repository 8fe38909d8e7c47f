"""The report of an optimization."""
