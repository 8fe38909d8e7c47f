"""The filter on system calls of a confined process: what nobody needs who reads one file and writes another.

It comes on top of Landlock, which does not know permissions, times and attributes of files, System V's memory, or
processes. The numbers are those of asm/unistd_64.h (x86-64) and asm-generic/unistd.h (arm64); 0: it is not there.
"""

from __future__ import annotations

import errno
import platform
import struct

from pumice.runtime.worker.sandbox import seccomp

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP_EQUAL, _JUMP_FROM, _JUMP_ANY_BIT = 0x15, 0x35, 0x45
_ALLOW, _REFUSE, _ABSENT = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_FOREIGN_NUMBERS = 0x40000000
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_CLONE_THREAD = 0x10000
_SHARED_AND_NOBODYS = 0x01 | 0x20  # MAP_SHARED | MAP_ANONYMOUS: memory that no limit counts
_F_SETOWN, _F_SETOWN_EX = 8, 15
_PR_SET_PDEATHSIG = 1

_REFUSED = {
    "network": ((41, 198), (42, 203), (49, 200), (50, 201), (43, 202), (288, 242)),
    "processes": ((57, 0), (58, 0), (59, 221), (322, 281), (272, 97), (308, 268)),
    "signals": ((62, 129), (200, 130), (234, 131), (129, 138), (297, 240), (424, 424), (434, 434), (438, 438)),
    "others' memory": ((101, 117), (310, 270), (311, 271), (440, 440)),
    "permissions": ((90, 0), (91, 52), (268, 53), (452, 452), (92, 0), (94, 0), (93, 55), (260, 54)),
    "times and sizes": ((132, 0), (235, 0), (280, 88), (261, 0), (76, 45)),
    "attributes": ((188, 5), (189, 6), (190, 7), (197, 14), (198, 15), (199, 16), (463, 463), (466, 466)),
    "memory that outlives": ((29, 194), (68, 186), (64, 190), (240, 180), (319, 279), (447, 447)),
    "limits": ((160, 164), (141, 140), (144, 119), (314, 274), (251, 30)),
    "kernel": ((425, 425), (321, 280), (298, 241), (323, 282), (250, 219), (248, 217), (249, 218), (304, 265)),
    "mounts": ((165, 40), (166, 39), (155, 41), (161, 51), (428, 428), (429, 429), (430, 430), (432, 432), (442, 442)),
}
_CLONE, _CLONE3, _MMAP, _FCNTL, _PRCTL, _PRLIMIT = (56, 220), (435, 435), (9, 222), (72, 25), (157, 167), (302, 261)

_Line = tuple[int, int, int, int]


def forbid_the_rest() -> None:
    """Let no thread of this process do what is listed here, from now on.

    Raises:
        OSError: The kernel refuses, or the architecture is not known here.
    """
    machine = platform.machine()
    if machine not in _AUDIT:
        raise OSError(errno.ENOSYS, f"no filter for {machine}")
    seccomp.install(_program(_AUDIT[machine], 0 if machine == "x86_64" else 1))


def _program(audit: int, column: int) -> bytes:
    """Assemble the filter; a jump's two counts say how many instructions to skip if it holds and if not."""
    lines: list[_Line] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_FROM, 0, 1, _FOREIGN_NUMBERS),
        (_RETURN, 0, 0, _REFUSE),
    ]
    for numbers in _REFUSED.values():
        for pair in numbers:
            if pair[column]:
                lines += _block(pair[column], [(_RETURN, 0, 0, _REFUSE)])
    # glibc then goes back to clone, whose flags can be seen
    lines += _block(_CLONE3[column], [(_RETURN, 0, 0, _ABSENT)])
    thread = [_argument(0), (_JUMP_ANY_BIT, 1, 0, _CLONE_THREAD), (_RETURN, 0, 0, _REFUSE)]
    lines += _block(_CLONE[column], [*thread, (_RETURN, 0, 0, _ALLOW)])
    both = (_AND, 0, 0, _SHARED_AND_NOBODYS)
    lines += _block(_MMAP[column], [_argument(3), both, *_refused_if(_SHARED_AND_NOBODYS), (_RETURN, 0, 0, _ALLOW)])
    owner = [_argument(1), *_refused_if(_F_SETOWN), *_refused_if(_F_SETOWN_EX)]
    lines += _block(_FCNTL[column], [*owner, (_RETURN, 0, 0, _ALLOW)])
    lines += _block(_PRCTL[column], [_argument(0), *_refused_if(_PR_SET_PDEATHSIG), (_RETURN, 0, 0, _ALLOW)])
    # a pointer to new limits, by both its halves
    new = [line for half in (0, 4) for line in (_argument(2, half), (_JUMP_EQUAL, 1, 0, 0), (_RETURN, 0, 0, _REFUSE))]
    lines += _block(_PRLIMIT[column], [*new, (_RETURN, 0, 0, _ALLOW)])
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def _block(number: int, lines: list[_Line]) -> list[_Line]:
    """What is done for one system call; behind it, all others still have their number loaded."""
    return [(_JUMP_EQUAL, 0, len(lines), number), *lines]


def _argument(index: int, half: int = 0) -> _Line:
    return (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * index + half)


def _refused_if(value: int) -> list[_Line]:
    return [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, _REFUSE)]
