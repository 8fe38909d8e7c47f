"""Who may say what of a version: statements, their envelopes, heads, and the rules of trust. No keys, no files."""
