"""Durable tasks, on real databases and with real processes that are killed."""
