"""Faces to the network: each protocol decodes, calls one operation of `pumice.service`, and encodes."""
