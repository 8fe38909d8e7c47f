"""Running models: the front process's queues and supervisor, and the replica's own process."""
