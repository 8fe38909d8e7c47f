"""What attackers and broken clients send, over real sockets to real servers."""
