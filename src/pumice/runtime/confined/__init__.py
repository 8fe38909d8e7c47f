"""Work on a file that may be hostile, in a process that can do next to nothing.

More than a replica gives up (`pumice.runtime.worker.sandbox`), since it need not serve: it reads nothing but Python's
libraries and the file, writes flat files in one folder, starts no process, opens no socket, touches no permissions, and
has limits of time, memory and space. The parent watches it and ends it; what it answers is checked like any stranger's.
"""

from pumice.runtime.confined.limits import Limits
from pumice.runtime.confined.runner import Ended, Work, missing, run_confined

__all__ = ["Ended", "Limits", "Work", "missing", "run_confined"]
