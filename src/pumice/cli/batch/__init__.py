"""``pumice batch``: a model over a file, in order, with bounded memory, going on where it was cut off."""
