"""Commands: the face of Pumice in a terminal."""
