"""The hot path: inference over HTTP without a framework and without a task a request."""
