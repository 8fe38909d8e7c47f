"""Tests of recipes and of the search for sensitive nodes."""
