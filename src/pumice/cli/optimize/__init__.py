"""`pumice optimize` and `pumice certify`."""
