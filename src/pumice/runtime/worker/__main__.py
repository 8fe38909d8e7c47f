"""Start of a replica: ``python -m pumice.runtime.worker FD [SCRATCH]``; without a scratch folder it is not confined."""

import sys

if len(sys.argv) > 2:
    # before any library is imported: a thread that one starts would keep the rights that it was born with
    from pumice.runtime.worker.sandbox import confine

    confine(sys.argv[2])

from pumice.runtime.worker.process import main

main()
