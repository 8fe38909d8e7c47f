"""What gRPC says within HTTP/2: messages, deadlines, statuses. No socket and no clock."""
