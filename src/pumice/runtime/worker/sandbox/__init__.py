"""What a replica may not do: write, reach the network, read the home, outgrow its memory.

A replica runs code that came with a model, and libraries that parse files from anywhere. It is confined in two steps,
since it starts before it knows its model. `confine` comes before any library is imported, so that no thread is older:
from then on it writes only in its own scratch folder. `narrow` comes with the word what to load: no network, the
server's home out of reach, memory bounded. Neither needs a privilege, and neither can be undone.

Standard library only: this runs before everything else.
"""

from pumice.runtime.worker.sandbox.confine import confine, limit_memory, narrow
from pumice.runtime.worker.sandbox.offered import MEASURES, Measure, offered

__all__ = ["MEASURES", "Measure", "confine", "limit_memory", "narrow", "offered"]
