"""Commands that make a model lighter by one pass, and measure nothing."""
