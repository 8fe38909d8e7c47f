"""Takes frames out of the bytes that a replica sends; what is no frame is told as nonsense."""

from __future__ import annotations

import msgspec

from pumice.protocol.frames import MAX_HEADER_BYTES, PREFIX


class NonsenseReceived(ValueError):
    """Bytes that nobody of ours sends: a model's code wrote into its replica's socket."""


NONSENSE: tuple[type[Exception], ...] = (msgspec.MsgspecError, ValueError, TypeError, KeyError)
"""What reading a frame raises if it is none: by `FrameReader`, a decoder, or `read_tensors`."""


class FrameReader:
    """Takes frames out of a stream of bytes; one that comes whole in one piece is not copied.

    Args:
        max_payload: Longest payload that the sender may send (bytes).
    """

    __slots__ = ("_have", "_max_payload", "_need", "_parts")

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload
        self._parts: list[bytes] = []
        self._have = 0
        self._need = PREFIX.size

    def feed(self, data: bytes) -> list[tuple[memoryview, memoryview]]:
        """Take bytes, and give header and payload of each frame that is whole.

        Raises:
            NonsenseReceived: A length is beyond what is ever sent.
        """
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._need:
            return []
        whole = data if len(self._parts) == 1 else b"".join(self._parts)
        view, start, frames = memoryview(whole), 0, []
        self._need = PREFIX.size
        while len(whole) - start >= PREFIX.size:
            header_length, payload_length = PREFIX.unpack_from(whole, start)
            if header_length > MAX_HEADER_BYTES or payload_length > self._max_payload:
                raise NonsenseReceived(f"a frame of {header_length} and {payload_length} bytes")
            header = start + PREFIX.size
            payload = header + header_length
            end = payload + payload_length
            if len(whole) < end:
                self._need = end - start
                break
            frames.append((view[header:payload], view[payload:end]))
            start = end
        rest = whole[start:]
        self._parts, self._have = [rest] if rest else [], len(rest)
        return frames
