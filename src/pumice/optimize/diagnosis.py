"""What a model looks like when it really runs: the graph as ONNX Runtime rewrites it, and where its time goes."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pumice.domain.signature import Arrays
from pumice.optimize.findings import GraphFacts
from pumice.optimize.passes.base import ModelFolder
from pumice.optimize.raw_inputs import raw_batches

_ERRORS_ONLY = 3
_PAIRS = frozenset({"QuantizeLinear", "DequantizeLinear"})
_LIGHT = frozenset(
    {
        *("MatMulInteger", "ConvInteger", "QLinearConv", "QLinearMatMul", "QGemm", "DynamicQuantizeMatMul"),
        *("MatMulIntegerToFloat", "QAttention", "QEmbedLayerNormalization", "MatMulNBits", "GatherBlockQuantized"),
        *("DynamicQuantizeLSTM", "QLinearAdd", "QLinearGlobalAveragePool", "QLinearAveragePool"),
    }
)
_HEAVY = frozenset(
    {
        *("Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm", "FusedGemm", "Attention"),
        *("MultiHeadAttention", "LSTM", "GRU"),
    }
)
_RUNS = 9


class Time(msgspec.Struct, frozen=True):
    """Time that a model spends in the nodes of one operator.

    Attributes:
        op: The operator.
        ms: Time of one run in all of them (ms).
        share: The part of the time of all nodes.
    """

    op: str
    ms: float
    share: float


def graph_facts(folder: ModelFolder) -> GraphFacts | None:
    """Look at the graph as ONNX Runtime runs it on this processor; None for another format.

    Raises:
        Exception: One of `runtime_errors`: ONNX Runtime cannot load it.
    """
    if folder.manifest.format != "onnx" or folder.model.suffix != ".onnx":
        return None
    import onnx

    with tempfile.TemporaryDirectory(prefix="pumice-graph-") as place:
        rewritten = Path(place) / "graph.onnx"
        options = _options()
        options.optimized_model_filepath = str(rewritten)
        # the weights go elsewhere: only the graph is read
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "64")
        _session(folder, options)
        graph = onnx.load(rewritten, load_external_data=False).graph
    ops = Counter(node.op_type for node in graph.node)
    weights = {tensor.name for tensor in graph.initializer}
    heavy = sum(node.op_type in _HEAVY and bool(weights.intersection(node.input)) for node in graph.node)
    lightened = any(ops[op] for op in _LIGHT | _PAIRS)
    return GraphFacts(
        nodes=len(graph.node),
        ops=dict(ops.most_common()),
        quantize_pairs=sum(ops[op] for op in _PAIRS),
        casts=ops["Cast"],
        fallbacks=heavy if lightened else 0,
    )


def times_of(folder: ModelFolder, inputs: Arrays, threads: int) -> list[Time]:
    """Let ONNX Runtime time its nodes, and tell the operators on which a run spends most.

    Args:
        folder: The model.
        inputs: One batch, as a caller sends it.
        threads: Threads of one inference.

    Returns:
        The operators, the dearest first; none for a format that tells no such times.
    """
    if folder.manifest.format != "onnx":
        return []
    batches = list(raw_batches(folder, inputs, len(next(iter(inputs.values()))))())
    with tempfile.TemporaryDirectory(prefix="pumice-profile-") as place:
        options = _options()
        options.intra_op_num_threads = threads
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(place) / "profile")
        session = _session(folder, options)
        for _ in range(_RUNS):
            for batch in batches:
                session.run(None, batch)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_bytes())
    return _summed(events)


def _summed(events: Sequence[Mapping[str, Any]]) -> list[Time]:
    of_nodes: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event["name"]).endswith("_kernel_time"):
            of_nodes.setdefault((event["args"]["op_name"], event["name"]), []).append(event["dur"])
    times: Counter[str] = Counter()
    for (op, _), spent in of_nodes.items():
        runs = np.array(spent[: len(spent) // _RUNS * _RUNS]).reshape(_RUNS, -1).sum(axis=1)
        # the median: another process may have stopped a node for as long as the whole run takes
        times[op] += float(np.median(runs))  # type: ignore[assignment]
    total = sum(times.values()) or 1
    return [Time(op, spent / 1000, spent / total) for op, spent in times.most_common()]


def _options() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _session(folder: ModelFolder, options: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(folder.model), options, ["CPUExecutionProvider"])
