"""The race among variants."""
