"""Pure codecs: bytes of public protocols and of our own frames to values and back."""
