"""Tell a pickle by its instructions, without following them.

A pickle has no reliable magic: protocols 0 and 1 start with any instruction. So the instructions themselves are read
(`pickletools.genops` splits them and executes none): a file that reads as a pickle up to its STOP is one, whatever it
is called, and so is a file that reads as one for as long as anybody looks.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Iterator
from typing import IO, cast

PICKLE = "a pickle"
"""What is found."""

_MOST_INSTRUCTIONS = 2000
_HIGHEST_PROTOCOL = 5
# what no other format has by chance: calls, and the notes that the pickler makes of every container
_TELLING = frozenset(
    (
        *("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4"),
        *("PERSID", "BINPERSID", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    )
)
_IMPORTS = frozenset(("GLOBAL", "STACK_GLOBAL", "INST"))
_CALLS = frozenset(("INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"))


def is_pickle(stream: IO[bytes], size: int) -> bool:
    """Whether a stream reads as a pickle from where it stands.

    One that breaks off is one if it has imported something and called by then: whoever loads it has run that already.
    Without an import there is nothing to call, and any bytes read like a few instructions now and then.

    Args:
        stream: Read up to the first byte that no pickle has there; its position moves.
        size: Bytes that are left in it; a length in the file that goes beyond it ends the reading.
    """
    with warnings.catch_warnings():
        # bytes that are no pickle are full of odd escapes, of which the standard library's reader warns
        warnings.simplefilter("ignore", DeprecationWarning)
        return _reads_as_pickle(stream, size)


def _reads_as_pickle(stream: IO[bytes], size: int) -> bool:
    count = 0
    told = imported = called = False
    try:
        for name, left in _instructions(_Bounded(stream, size)):
            count += 1
            told = told or name in _TELLING or (count == 1 and name == "PROTO")
            imported = imported or name in _IMPORTS
            called = called or (imported and name in _CALLS)
            if name == "STOP":
                return imported or (told and not left)  # a pickler leaves nothing over
            if count >= _MOST_INSTRUCTIONS:
                return told
    except (ValueError, IndexError, OverflowError):  # no such instruction, nothing to do it with, or the end
        return called
    return False


def _instructions(stream: _Bounded) -> Iterator[tuple[str, int]]:
    """Name the instructions, as long as each finds on the stack what it takes from there, and tell how much is left.

    Raises:
        ValueError: What comes is none, or it finds too little.
        IndexError: It does not find a mark.
    """
    stack: list[bool] = []  # whether each of what lies there is a mark
    for opcode, argument, _ in pickletools.genops(cast("IO[bytes]", stream)):
        if opcode.name == "PROTO" and not 2 <= cast("int", argument) <= _HIGHEST_PROTOCOL:
            message = f"protocol {argument}"
            raise ValueError(message)
        _move(stack, opcode)
        yield opcode.name, len(stack)


def _move(stack: list[bool], opcode: pickletools.OpcodeInfo) -> None:
    """Take from the stack and put there what an instruction does; POP takes a mark too."""
    taken = opcode.stack_before
    below = len(taken)
    if pickletools.markobject in taken:
        below = taken.index(pickletools.markobject)
        while not stack.pop():  # an IndexError: there is no mark
            pass
    if len(stack) < below or (opcode.name != "POP" and any(stack[len(stack) - below :])):
        message = f"{opcode.name} finds too little on the stack"
        raise ValueError(message)
    del stack[len(stack) - below :]
    stack.extend(kind is pickletools.markobject for kind in opcode.stack_after)


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
