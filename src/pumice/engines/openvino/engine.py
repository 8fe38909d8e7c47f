"""The engine of OpenVINO models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pumice.domain.errors import BadArtefact
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature, Tensor, zeros
from pumice.engines.agree import agreed
from pumice.engines.base import Engine, EngineConfig, Traits
from pumice.engines.openvino.compiling import compile_model, import_openvino, placement, read_model
from pumice.engines.openvino.options import OpenvinoOptions
from pumice.engines.options import read_options

_PROBE_ROWS = 2
_DATATYPES = {
    "boolean": "BOOL",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
    **{f"i{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
}


class OpenvinoEngine(Engine):
    """Runs OpenVINO's IR (`.xml` with its `.bin`), and ONNX files where a manifest says ``format: openvino``."""

    name = "openvino"
    platform = "openvino"
    suffixes = (".xml",)

    def __init__(self, config: EngineConfig) -> None:
        openvino = import_openvino()
        options = read_options(OpenvinoOptions, config.manifest.options)
        core = openvino.Core()
        model = read_model(openvino, core, Path(config.path), held=config.held)
        found = Signature(
            inputs=[_tensor(port, f"input_{index}", config.path) for index, port in enumerate(model.inputs)],
            outputs=[_tensor(port, f"output_{index}", config.path) for index, port in enumerate(model.outputs)],
        )
        self._places = {tensor.name: index for index, tensor in enumerate(found.inputs)}
        self._outputs = {tensor.name: index for index, tensor in enumerate(found.outputs)}
        self._compiled = compile_model(core, model, config, options)
        self._request = self._compiled.create_infer_request()
        self._use(agreed(config.manifest.signature, found, config.path))
        free = all(tensor.shape and tensor.shape[0] == -1 for tensor in self.signature.inputs)
        rows_stay = self._probe(free)
        self.traits = Traits(
            batchable=rows_stay and self.signature.batchable,
            max_batch_size=_most_rows(model) if rows_stay else None,
            placement=placement(self._compiled, config),
            metadata={"openvino": openvino.__version__, "graph": model.get_friendly_name()},
        )

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Run the model once; it has no parameters."""
        del parameters
        if len(inputs) != len(self._places):
            # OpenVINO would go on with the tensor of the call before
            problem = f"given the inputs {sorted(inputs)}; it takes {sorted(self._places)}"
            raise ValueError(problem)
        for tensor in self.signature.inputs:
            # OpenVINO takes other sizes too, and answers something
            if not tensor.fits(inputs[tensor.name].shape):
                problem = f"input '{tensor.name}' is {list(inputs[tensor.name].shape)}; it takes {tensor}"
                raise ValueError(problem)
        answers = self._request.infer({self._places[name]: array for name, array in inputs.items()})
        return {name: answers[self._outputs[name]] for name in self._names}

    def close(self) -> None:
        """Free the compiled model and its memory."""
        self._request = self._compiled = None

    def _use(self, signature: Signature) -> None:
        self.signature = signature
        self._names = [tensor.name for tensor in signature.outputs]

    def _probe(self, free: bool) -> bool:
        """Run two rows of zeros to learn the rank of outputs, and that rows stay rows.

        A model that does not take zeros keeps what its file says.
        """
        if not free and all(tensor.shape for tensor in self.signature.outputs):
            return False
        try:
            outputs = self.run(zeros(self.signature, _PROBE_ROWS), {})
        except RuntimeError:
            return free
        seen = [
            tensor if tensor.shape else msgspec.structs.replace(tensor, shape=[-1] * outputs[tensor.name].ndim)
            for tensor in self.signature.outputs
        ]
        self._use(Signature(inputs=self.signature.inputs, outputs=seen))
        return free and all(array.shape[:1] == (_PROBE_ROWS,) for array in outputs.values())


def _tensor(port: Any, unnamed: str, path: str) -> Tensor:
    name = port.any_name if port.names else unnamed
    kind = port.element_type.get_type_name()
    if kind not in _DATATYPES:
        raise BadArtefact(path, f"'{name}' is a {kind}, which cannot be sent", "convert it with plain numbers")
    shape = port.partial_shape
    sizes = [] if shape.rank.is_dynamic else [-1 if size.is_dynamic else size.get_length() for size in shape]
    return Tensor(name, _DATATYPES[kind], sizes)


def _most_rows(model: Any) -> int | None:
    """The smallest bound of the inputs' first axes, if one has a bound."""
    bounds = [port.partial_shape[0].get_max_length() for port in model.inputs]
    known = [bound for bound in bounds if bound > 0]
    return min(known, default=None)
