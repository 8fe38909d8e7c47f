"""The commands ``optimize`` and ``certify``, on a small real model."""
