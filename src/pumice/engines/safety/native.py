"""Programs and libraries for a processor, by their first bytes: no part of a model."""

from __future__ import annotations

NATIVE = "a compiled program or library"
"""What is found."""

_ELF = b"\x7fELF"
_MACH = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_PE_AT = slice(0x3C, 0x40)


def is_native(head: bytes) -> bool:
    """Whether a file that begins so is an ELF, Mach-O or PE file.

    Args:
        head: Its first bytes, 512 or more if it has them.
    """
    if head.startswith((_ELF, *_MACH)):
        return True
    at = int.from_bytes(head[_PE_AT], "little")
    return head.startswith(b"MZ") and head[at : at + 4] == b"PE\0\0"
