"""Everything that is spoken over HTTP/1.1."""
