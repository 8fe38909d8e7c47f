"""What callers may push over HTTP; light, since every server knows it and few of their callers push."""

from __future__ import annotations

import msgspec


class UploadLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What callers may push.

    Attributes:
        most_bytes: Largest version (bytes); 0: nothing may be pushed.
        pending_bytes: Most bytes of all pushes together that are not finished.
        keep_s: How long one that was cut off can be gone on with (s).
        code: Whether models may be code of their own.
        folder: Where files wait; empty: in the home.
    """

    most_bytes: int = 256 * 1024 * 1024 * 1024
    pending_bytes: int = 512 * 1024 * 1024 * 1024
    keep_s: float = 86_400.0
    code: bool = False
    folder: str = ""
