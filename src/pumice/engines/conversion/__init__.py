"""Conversions of files that run code as they are read into files that do not; only ever called in a confined process.

Each function takes the source, a folder for its results, and what the caller wished; it gives a `Converted`. Nothing of
this is imported by a server or a replica.
"""

from pumice.engines.conversion.result import Converted

__all__ = ["Converted"]
