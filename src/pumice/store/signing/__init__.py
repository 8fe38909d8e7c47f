"""Keys and signatures: the leaf that `cryptography` is used in. It is imported at the first signature."""
