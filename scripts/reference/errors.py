"""The page of all errors: the tree, and what each class is over HTTP, over gRPC and as an exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType

from pumice.cli import errors as cli_errors
from pumice.client import errors as client_errors
from pumice.domain import errors
from pumice.domain.errors import PumiceError
from pumice.gateway.grpc import errors as grpc_errors
from pumice.gateway.http import errors as http_errors
from pumice.protocol.grpc.status import StatusCode
from scripts.reference.markdown import code, table

LEAD = """\
Every error that Pumice raises on purpose is a class of `pumice.domain.errors`, built from typed fields. Its message
says what was given, what is allowed, and what to do. Over HTTP it is an RFC 9457 problem document
(`application/problem+json`), or the protocol's own shape where the protocol fixes one.
"""


CLIENT = """\
`pumice.Client` raises a server's refusal as the class that fits it, and has some of its own for what can happen on the
way (`pumice.client.errors`).
"""


def page() -> str:
    """Write the page."""
    tree = next(part for part in (errors.__doc__ or "").split("\n\n") if part.startswith("PumiceError"))
    http, grpc, command = (_table_of(module) for module in (http_errors, grpc_errors, cli_errors))
    served = [(*_told(kind), _answer(kind, http), _answer(kind, grpc), _answer(kind, command)) for kind in classes()]
    of_client = [(*_told(kind), _answer(kind, command)) for kind in _classes_of(client_errors)]
    return "\n".join(
        [
            "# Errors\n",
            LEAD,
            f"```text\n{tree}\n```\n",
            table(("class", "code", "what it means", "HTTP", "gRPC", "exit code"), served),
            "## Errors of the client\n",
            CLIENT,
            table(("class", "code", "what it means", "exit code"), of_client),
        ]
    )


def classes(root: type[PumiceError] = PumiceError) -> Iterator[type[PumiceError]]:
    """List a class and all below it in the tree of the domain, parents first."""
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith(errors.__name__):  # the client has some of its own, which no server answers
            yield from classes(child)


def _classes_of(module: ModuleType) -> Iterator[type[PumiceError]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, PumiceError) and value.__module__ == module.__name__:
            yield value


def _told(kind: type[PumiceError]) -> tuple[str, str, str]:
    return code(kind.__name__), code(kind.code), kind.title


def _table_of(module: ModuleType) -> Mapping[type[PumiceError], object]:
    """Find the one table of a face: a mapping at the module's top whose keys are our errors."""
    tables = [value for value in vars(module).values() if isinstance(value, Mapping) and PumiceError in value]
    if len(tables) != 1:
        message = f"{module.__name__} must hold exactly one table of errors, found {len(tables)}"
        raise LookupError(message)
    return tables[0]


def _answer(kind: type[PumiceError], face: Mapping[type[PumiceError], object]) -> str:
    value = next(face[parent] for parent in kind.__mro__ if parent in face)
    if isinstance(value, int) and not isinstance(value, StatusCode):
        return str(int(value))
    return str(getattr(value, "name", value))
