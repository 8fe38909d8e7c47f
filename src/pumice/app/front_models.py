"""The models of a front that is one of several: they stay as they were when the server was started."""

from __future__ import annotations

from pumice.domain.errors import Unsupported
from pumice.service.catalog import Catalog
from pumice.service.models import Models, ModelState
from pumice.service.models.entry import State
from pumice.service.models.wanted import Parameters


class FrontModels(Models):
    """What the catalog of this front has.

    Args:
        catalog: What is served.
    """

    def __init__(self, catalog: Catalog) -> None:
        # nothing of what changes models is here: the replicas are the parent's
        self.catalog = catalog

    def index(self, ready: bool = False) -> list[ModelState]:
        """List every version.

        Args:
            ready: Only those that can answer.
        """
        states = []
        for served in self.catalog.all():
            waiting: State = "LOADING" if served.reason == "loading" else "UNAVAILABLE"
            state: State = "READY" if served.ready else waiting
            states.append(ModelState(served.name, served.version, state, served.reason))
        return [state for state in states if state.state == "READY" or not ready]

    async def load(self, name: str, parameters: Parameters | None = None) -> None:
        """Refuse.

        Raises:
            Unsupported: Always.
        """
        del name, parameters
        raise _refusal()

    async def unload(self, name: str, parameters: Parameters | None = None) -> None:
        """Refuse.

        Raises:
            Unsupported: Always.
        """
        del name, parameters
        raise _refusal()


def _refusal() -> Unsupported:
    return Unsupported(
        "loading and unloading with several front processes", "serve with 'workers': 1, or start the server again"
    )
