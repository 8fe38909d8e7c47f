"""What quantizers take for granted and exporters do not give: names of nodes, and biases of one axis."""

from __future__ import annotations

from typing import Any

import numpy as np


def tidy(model: Any) -> bool:
    """Name every node by itself, and give the biases of ``Gemm`` one axis; the answers stay the same.

    Args:
        model: An ONNX model; it is changed in place.

    Returns:
        Whether anything had to be changed.
    """
    named = _name_nodes(model.graph)
    return _flatten_biases(model.graph) or named


def _name_nodes(graph: Any) -> bool:
    """Name nodes by their place where an exporter did not: passes leave nodes out by their names."""
    taken = {node.name for node in graph.node}
    if "" not in taken and len(taken) == len(graph.node):
        return False
    seen: set[str] = set()
    for place, node in enumerate(graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{place}"
            while node.name in taken:
                node.name += "_"
            taken.add(node.name)
        seen.add(node.name)
    return True


def _flatten_biases(graph: Any) -> bool:
    """Turn biases [1, n] into [n]: ONNX Runtime's quantizer takes their first axis for that of the channels."""
    from onnx import numpy_helper

    places = {tensor.name: place for place, tensor in enumerate(graph.initializer)}
    replaced: set[str] = set()
    for node in graph.node:
        bias = node.input[2] if node.op_type == "Gemm" and len(node.input) > 2 else ""
        if bias not in places:
            continue
        array = numpy_helper.to_array(graph.initializer[places[bias]])
        if array.ndim != 2 or array.shape[0] != 1:
            continue
        flat = f"{bias}_flat"
        if flat not in places:
            places[flat] = len(graph.initializer)
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array[0]), flat))
        node.input[2] = flat
        replaced.add(bias)
    unused = replaced.difference(name for node in graph.node for name in node.input)
    for tensor in [tensor for tensor in graph.initializer if tensor.name in unused]:
        graph.initializer.remove(tensor)
    return bool(replaced)
