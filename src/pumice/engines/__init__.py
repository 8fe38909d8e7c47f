"""One leaf per model format, found by entry point (``pumice.engines``)."""
