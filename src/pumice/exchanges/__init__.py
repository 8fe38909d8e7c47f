"""One leaf for each form in which models come in and go out, found by entry point (``pumice.exchanges``)."""
