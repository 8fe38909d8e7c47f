"""A bench of candidates: some with a fault that must be found, some that are as good as their base."""
