"""Tell a pickle by its instructions, without following them.

A pickle has no reliable magic: protocols 0 and 1 start with any instruction. So the instructions themselves are read
(`pickletools.genops` splits them and executes none): a file that reads as a pickle up to its STOP is one, whatever it
is called, and so is a file that reads as one for as long as anybody looks.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import IO, cast

PICKLE = "a pickle"
"""What is found."""

_MOST_INSTRUCTIONS = 2000
_HIGHEST_PROTOCOL = 5
# a file of another format may start like a pickle by chance, and go on like one for an instruction or two
_CONVINCING = 6
# what no other format has by chance: calls, and the notes that the pickler makes of every container
_TELLING = frozenset(
    (
        *("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4"),
        *("PERSID", "BINPERSID", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    )
)


def is_pickle(stream: IO[bytes], size: int) -> bool:
    """Whether a stream reads as a pickle from where it stands.

    Args:
        stream: Read up to the first byte that no pickle has there; its position moves.
        size: Bytes that are left in it; a length in the file that goes beyond it ends the reading.
    """
    count = 0
    told = False
    try:
        for name in _instructions(_Bounded(stream, size)):
            count += 1
            told = told or name in _TELLING or (count == 1 and name == "PROTO")
            if name == "STOP" or count >= _MOST_INSTRUCTIONS:
                return told
    except (ValueError, OverflowError):  # no such instruction, a bad argument, or the end
        return told and count >= _CONVINCING
    return False


def _instructions(stream: _Bounded) -> Iterator[str]:
    for opcode, argument, _ in pickletools.genops(cast("IO[bytes]", stream)):
        if opcode.name == "PROTO" and not 2 <= cast("int", argument) <= _HIGHEST_PROTOCOL:
            message = f"protocol {argument}"
            raise ValueError(message)
        yield opcode.name


class _Bounded:
    """A stream that refuses to be asked for more than there is, so that a length in the file allocates nothing."""

    _LONGEST_LINE = 64 * 1024

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        if size > self._left:
            message = f"{size} bytes of {self._left}"
            raise ValueError(message)
        data = self._stream.read(size)
        self._left -= len(data)
        return data

    def readline(self) -> bytes:
        line = self._stream.readline(min(self._left, self._LONGEST_LINE))
        self._left -= len(line)
        return line
