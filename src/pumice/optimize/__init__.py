"""Make a model light, and measure what it costs and what it saves."""
