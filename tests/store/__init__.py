"""The model store, from its chunks to its commands."""
