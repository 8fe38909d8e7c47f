"""Tells right answers from wrong ones."""

from collections.abc import Callable
from importlib import import_module

from pumice.client.load.job import LoadJob
from pumice.domain.errors import BadSetting

CheckFunction = Callable[[int, bytes], object]
"""Takes the index of the body that was sent and the answer; anything false means wrong."""


def find_check(name: str) -> CheckFunction:
    """Import the function that a job names.

    Args:
        name: `module:function`.

    Raises:
        BadSetting: There is no such function.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as problem:
        raise BadSetting("load job: check", name, f"module:function that can be imported ({problem})") from problem
    if not callable(found):
        raise BadSetting("load job: check", name, "the name of a function")
    checked: CheckFunction = found
    return checked


class AnswerCheck:
    """The checks of one job, applied to its answers."""

    def __init__(self, job: LoadJob) -> None:
        self._expect = job.expect.encode()
        self._function = find_check(job.check) if job.check else None
        self._every = job.check_every
        self._until_next = 1

    def __call__(self, index: int, status: int, body: bytes) -> str | None:
        """Judge an answer.

        Args:
            index: Which body was sent.
            status: HTTP status of the answer.
            body: Its body.

        Returns:
            None if it is right, else the kind of failure.
        """
        if status != 200:
            return f"status {status}"
        if self._expect not in body:
            return "wrong answer"
        if self._function is not None:
            self._until_next -= 1
            if not self._until_next:
                self._until_next = self._every
                return self._ask(self._function, index, body)
        return None

    @staticmethod
    def _ask(function: CheckFunction, index: int, body: bytes) -> str | None:
        try:
            return None if function(index, body) else "wrong answer"
        except Exception:  # noqa: BLE001 - the function is the caller's; an answer it cannot read is wrong
            return "wrong answer"
