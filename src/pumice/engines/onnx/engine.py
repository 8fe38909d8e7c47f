"""The engine of ONNX models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import SignatureMismatch
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature, Tensor, zeros
from pumice.engines.base import Engine, EngineConfig, Traits
from pumice.engines.onnx.ends import read_ends
from pumice.engines.onnx.graph import Graph, read_graph
from pumice.engines.onnx.refusals import runtime_errors
from pumice.engines.onnx.session import open_session, read_metadata

_PROBE_ROWS = 2


class OnnxEngine(Engine):
    """Runs an ONNX graph, or one in ONNX Runtime's own format, with ONNX Runtime.

    Text tensors carry UTF-8 only: ONNX Runtime has no other bytes.
    """

    name = "onnx"
    platform = "onnxruntime_onnx"
    suffixes = (".onnx", ".ort")

    def __init__(self, config: EngineConfig) -> None:
        self._label = config.label
        opened, placement = open_session(config)
        self._session = opened.session
        self._weights = opened.weights
        graph = read_graph(self._session, config.path, config.manifest.signature)
        self._use(graph.signature)
        rows_stay = graph.proven or self._probe(graph)
        self.traits = Traits(
            batchable=graph.joinable and rows_stay and self.signature.batchable,
            placement=placement,
            metadata=read_metadata(self._session),
        )

    @classmethod
    def peek(cls, path: Path) -> Signature | None:
        """Read the graph's inputs and outputs; a file in ONNX Runtime's own format is not looked into."""
        return read_graph(read_ends(path), str(path), None).signature if path.suffix.lower() == ".onnx" else None

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Run the graph once; it has no parameters.

        Raises:
            SignatureMismatch: A BYTES input is not UTF-8.
        """
        del parameters
        if self._text_inputs:
            inputs = self._decoded(inputs)
        outputs = dict(zip(self._output_names, self._session.run(self._output_names, inputs), strict=True))
        for name in self._text_outputs:
            outputs[name] = _encoded(outputs[name])
        return outputs

    def close(self) -> None:
        """Free the session and its memory."""
        self._session = None
        self._weights = ()

    def _use(self, signature: Signature) -> None:
        self.signature = signature
        self._output_names = [tensor.name for tensor in signature.outputs]
        self._text_inputs = [tensor.name for tensor in signature.inputs if tensor.datatype == BYTES]
        self._text_outputs = [tensor.name for tensor in signature.outputs if tensor.datatype == BYTES]

    def _probe(self, graph: Graph) -> bool:
        """Run two rows of zeros to learn what the file does not say: the rank of outputs, and that rows stay rows.

        A graph that does not take zeros keeps what its file says.
        """
        if not graph.joinable and all(tensor.shape for tensor in graph.signature.outputs):
            return False
        try:
            outputs = self.run(zeros(graph.signature, _PROBE_ROWS), {})
        except runtime_errors():
            return True
        seen = [_seen(tensor, outputs[tensor.name]) for tensor in graph.signature.outputs]
        self._use(Signature(inputs=graph.signature.inputs, outputs=seen))
        return all(array.shape[:1] == (_PROBE_ROWS,) for array in outputs.values())

    def _decoded(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        decoded = dict(inputs)
        for name in self._text_inputs:
            if name in decoded:
                decoded[name] = self._text(name, decoded[name])
        return decoded

    def _text(self, name: str, array: np.ndarray) -> np.ndarray:
        texts = np.empty(array.size, dtype=object)
        row = 0
        try:
            for row, item in enumerate(array.ravel().tolist()):
                texts[row] = item.decode()
        except UnicodeDecodeError as error:
            given = f"bytes that are not UTF-8 ({error.reason} at {error.start})"
            allowed = "UTF-8 text; ONNX Runtime carries no other bytes"
            raise SignatureMismatch(self._label, f"input '{name}'[{row}]", given, allowed) from None
        return texts.reshape(array.shape)


def _encoded(array: np.ndarray) -> np.ndarray:
    encoded = np.empty(array.size, dtype=object)
    encoded[:] = [text.encode() for text in array.ravel().tolist()]
    return encoded.reshape(array.shape)


def _seen(tensor: Tensor, array: np.ndarray) -> Tensor:
    """Give an output of unknown rank the rank that it had."""
    return tensor if tensor.shape else msgspec.structs.replace(tensor, shape=[-1] * array.ndim)
