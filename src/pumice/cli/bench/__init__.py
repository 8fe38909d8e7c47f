"""``pumice bench``: how fast a model is served, measured from outside."""
