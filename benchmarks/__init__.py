"""Pumice beside its peers: the same models, the same load, one run."""
