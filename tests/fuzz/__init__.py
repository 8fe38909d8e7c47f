"""Bytes that nobody foresaw, for every parser."""
