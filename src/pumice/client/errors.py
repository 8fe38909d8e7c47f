"""What can go wrong for a caller, over and above the errors that a server has itself.

A server's refusal is raised as the class of `pumice.domain.errors` that fits it, so ``except ModelNotFound`` or
``except Unavailable`` work as they do inside the server. Which class that is, `pumice.client.refusals` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from pumice.domain.errors import ModelError, PumiceError


@dataclass(eq=False)
class ConnectionFailed(PumiceError):
    """The server cannot be reached, or the connection broke; every try that was allowed has been made.

    Args:
        url: The server.
        problem: What the transport said.
        tries: How often it was tried.
    """

    url: str
    problem: str
    tries: int = 1
    code = "connection-failed"
    title = "The server cannot be reached"

    @property
    def message(self) -> str:
        """Name the server and what to look at."""
        times = f" ({self.tries} tries)" if self.tries > 1 else ""
        return f"{self.url}: {self.problem}{times}; see that the address is right and that the server runs"


@dataclass(eq=False)
class BadAnswer(PumiceError):
    """The answer is not what the protocol says: most likely another kind of server.

    Args:
        what: The request, for example ``"GET /v2/models/m"``.
        problem: What is wrong with its answer.
    """

    what: str
    problem: str
    code = "bad-answer"
    title = "The server's answer cannot be read"

    @property
    def message(self) -> str:
        """Name the request and the fault."""
        return f"answer to {self.what}: {self.problem}; see that the address is that of a Pumice or OIP server"


@dataclass(eq=False)
class TaskFailed(ModelError):
    """An asynchronous task ended with an error.

    Args:
        task_id: The task.
        problem: What the server said of it.
    """

    task_id: str
    problem: str
    code = "task-failed"
    title = "The task failed"

    @property
    def message(self) -> str:
        """Name the task and its error."""
        return f"task '{self.task_id}' failed: {self.problem}"


class ServerFailed(PumiceError):
    """The server failed in a way that no other class tells."""

    code = "server-failed"
    title = "The server failed"
