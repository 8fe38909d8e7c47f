"""Signatures, keys, heads, and what they hold off."""
