"""Versions from elsewhere in, versions of the store out."""
