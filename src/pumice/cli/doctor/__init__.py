"""``pumice doctor``: what this machine offers, what is missing, and how to get it."""
