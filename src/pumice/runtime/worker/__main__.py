"""Start of a replica's process: ``python -m pumice.runtime.worker FD``."""

from pumice.runtime.worker.process import main

main()
