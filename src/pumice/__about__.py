"""The version, read by the build and by the server's metadata."""

__version__ = "0.1.0"
