"""HTTP/2 as a server speaks it (RFC 9113): bytes in, calls on streams; bytes out. No socket and no clock."""
