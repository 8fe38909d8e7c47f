"""A confined process: ``python -P -m pumice.runtime.confined REPLY OUT SCRATCH [free]``; its task comes on stdin.

With ``free`` it keeps its rights and has limits of memory and time alone.
"""

import sys

if "free" not in sys.argv:
    # before any library is imported: a thread that one starts would keep the rights that it was born with
    from pumice.runtime.confined.rights import write_only_in

    write_only_in(sys.argv[2:4])

from pumice.runtime.confined.child import main

main()
