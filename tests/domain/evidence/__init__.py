"""Evidence: its guarantees by simulation, its records, its edges."""
