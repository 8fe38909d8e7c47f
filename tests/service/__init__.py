"""The operations under every face."""
