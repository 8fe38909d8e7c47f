"""Keys of JSON objects that come twice: parsers disagree on which of them counts, so such a text is refused."""

from __future__ import annotations

import re

import msgspec

from pumice.domain.errors import MalformedInput

MAX_KEYS = 100_000
"""Most keys of one text; looking at each of them is what takes time."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# everything that is neither a key nor the edge of an object is passed over within one match
_NEXT = re.compile(
    rb'(?:[^"{}]++|%b(?!\s*+:))*+(?:([{}])|(%b)\s*+:)' % (_STRING, _STRING),
    re.DOTALL,
)


def refuse_double_keys(text: bytes | memoryview, keys: int | None = None) -> None:
    """Refuse a text in which an object has a key twice.

    Args:
        text: JSON that a parser has taken.
        keys: How many keys the parser found at the least, if that is known: when there are no more colons than keys,
            none can be double, and counting colons costs next to nothing.

    Raises:
        MalformedInput: A key comes twice, there are more than `MAX_KEYS`, or the text is no UTF-8.
    """
    body = bytes(text)
    if body.count(b":") == keys:
        return
    if not body.isascii():
        _check_utf8(body)
    open_objects: list[set[bytes]] = []
    count = 0
    for found in _NEXT.finditer(body):
        edge, key = found.groups()
        if edge == b"{":
            open_objects.append(set())
        elif edge:
            if open_objects:
                open_objects.pop()
        elif open_objects:
            count += 1
            _add(open_objects[-1], key, count)


def _add(seen: set[bytes], key: bytes, count: int) -> None:
    if count > MAX_KEYS:
        raise MalformedInput("body", f"more than {MAX_KEYS} keys")
    plain = msgspec.json.encode(msgspec.json.decode(key)) if b"\\" in key else key
    if plain in seen:
        raise MalformedInput("body", f"the key {plain[:64].decode(errors='replace')} comes twice in one object")
    seen.add(plain)


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:  # a parser passes over the strings of unknown keys without a look at them
        raise MalformedInput("body", f"no UTF-8: byte 0x{body[error.start]:02x} at {error.start}") from None
