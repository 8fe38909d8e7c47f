"""What is seen of the server: plain counters on the hot path, read when somebody scrapes."""
