"""The optimizer on real models: what it offers, what it refuses, what that costs, and what Olive chooses."""
