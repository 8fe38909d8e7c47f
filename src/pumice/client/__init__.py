"""The Python client. Its names are loaded when first used, so that importing the package costs next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pumice.client.asynchronous import AsyncClient
    from pumice.client.errors import BadAnswer, ConnectionFailed, ServerFailed, TaskFailed
    from pumice.client.refusals import NotAllowed, Refused
    from pumice.client.retry import Retries
    from pumice.client.synchronous import Client
    from pumice.client.types import Answer, InferOptions, ModelMetadata, ModelState, Progress, TaskState

_HOMES = {
    "Answer": "types",
    "AsyncClient": "asynchronous",
    "BadAnswer": "errors",
    "Client": "synchronous",
    "ConnectionFailed": "errors",
    "InferOptions": "types",
    "ModelMetadata": "types",
    "ModelState": "types",
    "NotAllowed": "refusals",
    "Refused": "refusals",
    "Retries": "retry",
    "ServerFailed": "errors",
    "TaskFailed": "errors",
    "Progress": "types",
    "TaskState": "types",
}

__all__ = [
    "Answer",
    "AsyncClient",
    "BadAnswer",
    "Client",
    "ConnectionFailed",
    "InferOptions",
    "ModelMetadata",
    "ModelState",
    "NotAllowed",
    "Progress",
    "Refused",
    "Retries",
    "ServerFailed",
    "TaskFailed",
    "TaskState",
]


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it."""
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'pumice.client' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(f"pumice.client.{home}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
