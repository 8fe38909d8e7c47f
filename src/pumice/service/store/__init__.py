"""The operations of the model store, the same for every face: push, pull, aliases, history, verify, collect.

What is served is another thing: see `pumice.service.models`. This package imports SQLAlchemy; who needs it does so at
the first use.
"""

from pumice.service.store.store import Store

__all__ = ["Store"]
