"""Pumice takes a trained model, makes it light, proves that it is still right, and serves it.

The public names are loaded when first used (PEP 562), so ``import pumice`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pumice.__about__ import __version__

if TYPE_CHECKING:
    from pumice.client import AsyncClient, Client
    from pumice.domain.signature import Signature, Tensor
    from pumice.engines.context import current_traces
    from pumice.engines.python.model import Model
    from pumice.service.store import Store
    from pumice.service.store.exchanging import export_model, import_model

_HOMES = {
    "AsyncClient": "pumice.client",
    "Client": "pumice.client",
    "Model": "pumice.engines.python.model",
    "Signature": "pumice.domain.signature",
    "Store": "pumice.service.store",
    "Tensor": "pumice.domain.signature",
    "current_traces": "pumice.engines.context",
    "export_model": "pumice.service.store.exchanging",
    "import_model": "pumice.service.store.exchanging",
}

__all__ = [
    "AsyncClient",
    "Client",
    "Model",
    "Signature",
    "Store",
    "Tensor",
    "__version__",
    "current_traces",
    "export_model",
    "import_model",
]


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it."""
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'pumice' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
