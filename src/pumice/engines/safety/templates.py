"""Chat templates: programs in Jinja that come with a tokenizer.

They are rendered in Jinja's sandbox alone, which keeps them from Python's internals and lets them change nothing. One
that plainly reaches for those is refused before it is stored, and so is one that cannot be read: what it would do is
not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from jinja2.nodes import Node
    from jinja2.sandbox import ImmutableSandboxedEnvironment

ESCAPE = "a chat template that reaches beyond its sandbox"
UNREADABLE = "a chat template that cannot be read"

LARGEST = 1 << 20
"""A template is so long at most (bytes)."""

_FILES = frozenset(("tokenizer_config.json", "chat_template.json", "processor_config.json"))
_SUFFIXES = (".jinja", ".jinja2")
_KEY = "chat_template"


def holds_templates(name: str) -> bool:
    """Whether a file of this name has chat templates in it."""
    return name in _FILES or name.endswith(_SUFFIXES)


def look_at_file(name: str, data: bytes) -> str:
    """Say what is wrong with the templates in a file; nothing: they may be stored."""
    if name.endswith(_SUFFIXES):
        return look_at(data.decode(errors="replace"))
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return ""  # whoever needs it will tell
    return next(filter(None, map(look_at, _templates(found))), "")


def look_at(template: str) -> str:
    """Say what is wrong with a template; nothing: it may be stored."""
    if len(template) > LARGEST:
        return f"{UNREADABLE} (it is longer than {LARGEST} characters)"
    from jinja2 import TemplateSyntaxError

    try:
        tree = sandboxed().parse(template)
        escape = next(_escapes(tree), "")
    except TemplateSyntaxError as error:
        return f"{UNREADABLE} (line {error.lineno}: {error.message})"
    except RecursionError:
        return f"{UNREADABLE} (it is nested too deep)"
    return f"{ESCAPE} ({escape})" if escape else ""


@cache
def sandboxed() -> ImmutableSandboxedEnvironment:
    """The environment in which templates are read, and the only one in which they may be rendered."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` of transformers: marks what the assistant says; here, its body and no more."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja has it

        def parse(self, parser: Parser) -> list[Node]:
            next(parser.stream)
            body: list[nodes.Node] = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return body

    extensions = ["jinja2.ext.loopcontrols", Generation]
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)


def _templates(found: Any) -> Iterator[str]:
    """Templates of a tokenizer: one, or several with names."""
    said = found.get(_KEY) if isinstance(found, dict) else None
    if isinstance(said, str):
        yield said
    elif isinstance(said, list):
        yield from (
            item["template"] for item in said if isinstance(item, dict) and isinstance(item.get("template"), str)
        )
    elif isinstance(said, dict):
        yield from (item for item in said.values() if isinstance(item, str))


def _escapes(tree: Node) -> Iterator[str]:
    """What of a template no template needs: names with underscores in front, by any way to say them; other files."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name, nodes.Filter)):
        if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            yield f".{node.attr}"
        elif isinstance(node, nodes.Getitem) and _is_internal(node.arg):
            yield "[…] of an internal name"
        elif isinstance(node, nodes.Name) and node.name.startswith("__"):
            yield node.name
        elif (
            isinstance(node, nodes.Filter) and node.name in {"attr", "map"} and any(map(_is_internal, _constants(node)))
        ):
            yield f"|{node.name}"
    for other in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        yield f"{type(other).__name__.lower()} of another file"


def _constants(node: Any) -> list[Any]:
    return [*node.args, *(keyword.value for keyword in node.kwargs)]


def _is_internal(node: Any) -> bool:
    from jinja2 import nodes

    return any(
        isinstance(part, nodes.Const) and isinstance(part.value, str) and "__" in part.value
        for part in (node, *node.find_all(nodes.Const))
    )
