"""The house's own rules: what no tool off the shelf checks, and that the tools are really run."""
