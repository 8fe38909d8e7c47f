"""YAML that remembers on which line each value stands."""

from __future__ import annotations

import re
from typing import Any

import yaml

from pumice.domain.errors import BadSetting

Place = tuple[str | int, ...]
"""The way to a value: keys and places, from the outermost."""

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class Lined:
    """A YAML document.

    Args:
        text: The document.
        origin: Its file, for messages.

    Raises:
        BadSetting: It is no YAML, or a key is there twice.
    """

    def __init__(self, text: str, origin: str) -> None:
        self.origin = origin
        self._lines: dict[Place, int] = {}
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            self.value: Any = None if node is None else self._read(loader, node, ())
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise BadSetting(f"{origin}, line {line}", "what is no YAML", f"YAML: {error.problem}") from None
        except yaml.YAMLError as error:
            raise BadSetting(origin, "what is no YAML", f"YAML: {error}") from None
        finally:
            loader.dispose()

    def wrong(self, place: Place, given: str, allowed: str) -> BadSetting:
        """An error at a value: the line is that of the nearest one around it that is known."""
        known = next(place[:end] for end in range(len(place), -1, -1) if place[:end] in self._lines or not end)
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        where = f"{self.origin}, line {self._lines.get(known, 1)}"
        return BadSetting(f"{where}: '{key}'" if key else where, given, allowed)

    def place_of(self, path: str) -> Place:
        """The place that a path of msgspec's names, such as ``$.candidates[0].when``."""
        found = _STEP.findall(path.removeprefix("$"))
        return tuple(key or (int(number) if number.isdecimal() else 0) for key, number in found)

    def _read(self, loader: yaml.SafeLoader, node: yaml.Node, place: Place) -> Any:
        self._lines[place] = node.start_mark.line + 1
        if isinstance(node, yaml.SequenceNode):
            return [self._read(loader, item, (*place, number)) for number, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return loader.construct_object(node)
        read: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node))
            if key in read:
                line = key_node.start_mark.line + 1
                raise BadSetting(f"{self.origin}, line {line}: '{key}'", "a key that is there already", "it once")
            read[key] = self._read(loader, value_node, (*place, key))
            self._lines[*place, key] = key_node.start_mark.line + 1
        return read
