"""``make soak``: a server under mixed load, faults and reloads, watched for wrong answers, hung callers and leaks."""
