"""One leaf per pass, found by entry point (``pumice.passes``): each turns a model folder into a lighter one."""
