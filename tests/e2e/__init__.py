"""A real server, real models, real sockets."""
