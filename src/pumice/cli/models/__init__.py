"""``pumice models``: the versions in the store of the home."""
