"""Values and rules of serving; no IO, no clock, no threads."""
