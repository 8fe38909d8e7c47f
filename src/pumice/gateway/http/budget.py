"""The memory that bodies of requests may take together, so that many large ones cannot take all there is."""

from __future__ import annotations

from pumice.domain.errors import Overloaded

FREE_BYTES = 64 * 1024
"""Bodies up to this size are not counted: small requests are answered, whatever large ones do (bytes)."""


class Budget:
    """Bytes of bodies that are held at once in this process.

    Args:
        limit: The most.

    Attributes:
        used: Those that are held now.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Count a part of a body.

        Raises:
            Overloaded: There is no room for it.
        """
        if self.used + size > self.limit:
            raise Overloaded(f"requests that are being read or answered hold {self.used} of {self.limit} bytes")
        self.used += size

    def give(self, size: int) -> None:
        """Count off what `take` counted."""
        self.used -= size


class Held:
    """What one request has of a budget.

    Args:
        budget: All bodies' budget.
    """

    __slots__ = ("_budget", "_counted")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._counted = 0

    def grow(self, size: int) -> None:
        """Count a body that has grown to this size, decompressed forms included (bytes).

        Raises:
            Overloaded: There is no room for it.
        """
        if size > FREE_BYTES and size > self._counted:
            self._budget.take(size - self._counted)
            self._counted = size

    def release(self) -> None:
        """The request is answered, or nobody waits for it."""
        self._budget.give(self._counted)
        self._counted = 0
