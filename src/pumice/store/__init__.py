"""Where the bytes of stored versions lie: chunks, packs, and those who push, pull, verify and collect them."""
