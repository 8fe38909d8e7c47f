"""The optimizer: its passes, and what it measures."""
