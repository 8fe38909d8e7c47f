"""What of a model decides which recipes suit it."""

from __future__ import annotations

from collections import Counter

import msgspec

from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.passes.onnx_pass import import_onnx


class ModelFacts(msgspec.Struct, frozen=True):
    """A model, as far as it decides which recipes suit it.

    Attributes:
        format: Of its manifest.
        operators: How often each operator occurs, subgraphs included; None where the file does not tell it.
    """

    format: str
    operators: dict[str, int] | None = None


def facts_of(model: ModelFolder) -> ModelFacts:
    """Look at a model.

    Raises:
        BadArtefact: Its file cannot be read.
        MissingDependency: The extra ``optimize`` is not installed.
    """
    if model.manifest.format != "onnx":
        return ModelFacts(model.manifest.format)
    graph = import_onnx("looking at a graph").load(model.model, load_external_data=False).graph
    counts: Counter[str] = Counter()
    graphs = [graph]
    while graphs:
        for node in graphs.pop().node:
            counts[node.op_type] += 1
            graphs.extend(attribute.g for attribute in node.attribute if attribute.HasField("g"))
            graphs.extend(inner for attribute in node.attribute for inner in attribute.graphs)
    return ModelFacts("onnx", dict(sorted(counts.items())))
