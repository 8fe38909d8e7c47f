"""Which nodes of a graph a pass works on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from pumice.domain.errors import BadSetting
from pumice.optimize.passes.onnx_pass import import_onnx

_FLOATS = (1, 10, 16)  # FLOAT, FLOAT16, BFLOAT16


class Node(msgspec.Struct, frozen=True):
    """A node of a graph.

    Attributes:
        name: Its name, which no other node has.
        op: Its operator.
        weighted: Whether one of its inputs is a weight of the file.
    """

    name: str
    op: str
    weighted: bool


def read_nodes(file: Path) -> list[Node]:
    """List the nodes of a model's main graph, in their order; subgraphs of loops and branches are left out."""
    graph = import_onnx("a pass").load(file, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer if tensor.data_type in _FLOATS}
    return [Node(node.name, node.op_type, bool(weights.intersection(node.input))) for node in graph.node]


class Wish(msgspec.Struct, frozen=True):
    """What a user wants to be worked on.

    Attributes:
        name: The pass, for messages.
        possible: Operators that the pass can work on.
        op_types: Those that are wanted; empty: all that the pass takes by itself.
        left_out: Names of nodes that stay as they are.
    """

    name: str
    possible: Sequence[str]
    op_types: Sequence[str]
    left_out: Iterable[str]


def choose(nodes: Sequence[Node], wish: Wish, *, weighted: bool) -> list[Node]:
    """Choose the nodes to work on.

    Args:
        nodes: All nodes.
        wish: What is wanted.
        weighted: Only nodes with a weight in the file will do.

    Raises:
        BadSetting: A node or operator that is named is not there, or nothing would be done.
    """
    names = {node.name for node in nodes}
    unknown = [name for name in wish.left_out if name not in names]
    if unknown:
        some = ", ".join(sorted(names)[:8])
        raise BadSetting(
            f"option 'nodes_left_out' of the pass '{wish.name}'", repr(unknown[0]), f"nodes such as {some}"
        )
    wrong = [op for op in wish.op_types if op not in wish.possible]
    if wrong:
        allowed = ", ".join(wish.possible)
        raise BadSetting(f"option 'op_types' of the pass '{wish.name}'", repr(wrong[0]), allowed)
    ops, left_out = set(wish.op_types or wish.possible), set(wish.left_out)
    chosen = [node for node in nodes if node.op in ops and (node.weighted or not weighted)]
    if not chosen:
        here = ", ".join(sorted({node.op for node in nodes}))
        given = f"a model of {here}" if here else "a model without nodes"
        what = " with weights" if weighted else ""
        raise BadSetting(f"the pass '{wish.name}'", given, f"a model with {', '.join(sorted(ops))}{what}")
    kept = [node for node in chosen if node.name not in left_out]
    if not kept:
        given = f"all {len(chosen)} nodes that it could work on"
        raise BadSetting(f"option 'nodes_left_out' of the pass '{wish.name}'", given, "fewer of them")
    return kept
