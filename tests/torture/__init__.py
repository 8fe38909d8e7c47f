"""A suite that tortures any server of the Open Inference Protocol: ``python -m tests.torture --help``."""
