"""What the messages of one connection take of the memory that all bodies share."""

from __future__ import annotations

from pumice.gateway.http.budget import FREE_BYTES, Budget


class Share:
    """One connection's part; its first `FREE_BYTES` are not counted, so small calls are answered whatever others do.

    Args:
        budget: All bodies' budget.
    """

    __slots__ = ("_budget", "_counted", "_used")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._used = 0
        self._counted = 0

    def change(self, by: int) -> None:
        """Count so many bytes more, or fewer.

        Raises:
            Overloaded: There is no room for more; nothing was counted.
        """
        counted = max(0, self._used + by - FREE_BYTES)
        if counted > self._counted:
            self._budget.take(counted - self._counted)
        else:
            self._budget.give(self._counted - counted)
        self._used += by
        self._counted = counted
