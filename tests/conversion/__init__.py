"""Conversions of files that run code, and the process that they are made in."""
