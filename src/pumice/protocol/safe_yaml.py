"""YAML from strangers: plain values alone, of bounded size, depth and expansion.

PyYAML's safe loader makes no Python objects, but follows aliases, so that a few hundred bytes stand for more than fits
into memory once somebody writes them out; recurses as deep as the text says; and lets a key come twice.
"""

from __future__ import annotations

from typing import Any

import yaml

from pumice.domain.errors import MalformedInput

MOST_BYTES = 4 * 1024 * 1024
"""Longest text that is read (bytes in UTF-8)."""

MOST_NODES = 200_000
"""Most values of a text, aliases written out."""

DEEPEST = 64
"""Most lists and mappings around a value."""

_PLAIN = frozenset(("null", "bool", "int", "float", "str", "seq", "map"))
_OPENING = (yaml.MappingStartEvent, yaml.SequenceStartEvent)
_CLOSING = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class _Loader(yaml.SafeLoader):
    """Reads null, booleans, numbers, texts, lists and mappings; a date stays the text that it is."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in _PLAIN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str, what: str) -> Any:
    """Read one YAML document.

    Args:
        text: The document.
        what: What it is, for messages.

    Raises:
        MalformedInput: It is not YAML, too large, too deep, has a key twice, or values that are not plain.
    """
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        raise MalformedInput(what, f"more than {MOST_BYTES} bytes of YAML")
    try:
        _check_events(text, what)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _Weigher(what).weigh(node)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place else ""
        raise MalformedInput(what, f"it is no YAML of plain values{where}") from None


def _check_events(text: str, what: str) -> None:
    """Count before anything recurses."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        if depth > DEEPEST or count > 2 * MOST_NODES:
            raise MalformedInput(what, f"YAML nested more than {DEEPEST} deep, or of more than {MOST_NODES} values")


class _Weigher:
    """Counts what a document stands for, aliases written out, and looks at its keys."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._weights: dict[int, int] = {}
        self._open: set[int] = set()

    def weigh(self, node: yaml.Node) -> int:
        key = id(node)
        if key in self._open:
            raise MalformedInput(self._what, "a YAML value that holds itself")
        if key not in self._weights:
            self._open.add(key)
            self._weights[key] = 1 + sum(map(self.weigh, self._inner(node)))
            self._open.discard(key)
        if self._weights[key] > MOST_NODES:
            raise MalformedInput(self._what, f"YAML that stands for more than {MOST_NODES} values")
        return self._weights[key]

    def _inner(self, node: yaml.Node) -> list[yaml.Node]:
        if node.tag.rpartition(":")[2] not in _PLAIN:
            raise MalformedInput(self._what, f"a YAML value of the kind {node.tag!r}")
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if not isinstance(node, yaml.MappingNode):
            return []
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) != len(node.value):
            raise MalformedInput(self._what, "a YAML mapping with a key twice, or with keys that are no texts")
        return [one for pair in node.value for one in pair]
