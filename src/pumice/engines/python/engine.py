"""The engine of Python models."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pumice.domain.datatypes import BYTES
from pumice.domain.errors import BadArtefact, BadSetting
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature
from pumice.engines.base import Engine, EngineConfig, Parts, Traits
from pumice.engines.python.lookup import find_class, is_reference
from pumice.engines.python.streaming import ASYNC_CONCURRENCY, AsyncParts, GeneratorParts, LoopThread

_Predict = Callable[..., object]


class Predicts(Protocol):
    """What a class must have to be served; `pumice.Model` has more, all of it optional."""

    signature: Signature
    predict: _Predict


class PythonEngine(Engine):
    """Runs a class with a signature and a ``predict``; see `pumice.Model`.

    The class is the source itself, or ``model`` in the manifest of a folder. The provider is the model's own affair.
    """

    name = "python"
    platform = "python"
    runs_code = True

    def __init__(self, config: EngineConfig) -> None:
        if config.manifest.options:
            key, value = next(iter(config.manifest.options.items()))
            raise BadSetting(f"option '{key}'", str(value), "nothing: the python engine has no options")
        reference = config.source if is_reference(config.source) else config.manifest.model
        if not is_reference(reference):
            raise BadArtefact(config.source, f"'{reference}' is no class", "give module:Class")
        path = Path(config.path) if config.path else None
        self._model = self._load(reference, path)
        self.signature = self._signature(reference, config.manifest.signature)
        self._predict, self._takes_parameters = _predict_of(reference, self._model)
        self._asynchronous = inspect.isasyncgenfunction(self._predict)
        self._decoupled = self._asynchronous or inspect.isgeneratorfunction(self._predict)
        self._bytes_outputs = [tensor.name for tensor in self.signature.outputs if tensor.datatype == BYTES]
        self.traits = Traits(
            batchable=getattr(self._model, "batchable", None),
            deterministic=getattr(self._model, "deterministic", True),
            idempotent=getattr(self._model, "idempotent", True),
            max_batch_size=getattr(self._model, "max_batch_size", None),
            placement={"class": reference},
            decoupled=self._decoupled,
            explains=callable(getattr(self._model, "explain", None)),
            concurrency=_concurrency(reference, self._model, asynchronous=self._asynchronous),
        )
        self._loop = LoopThread()

    @classmethod
    def takes(cls, source: str, path: Path | None) -> bool:
        """Whether the source reads as ``module:Class``."""
        del path
        return is_reference(source)

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Call ``predict``; text among its BYTES outputs becomes UTF-8."""
        return self._finished(self._call(inputs, parameters))

    def explain(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Call ``explain``; text in its arrays becomes UTF-8."""
        told = self._model.explain(inputs)  # type: ignore[attr-defined]
        if not isinstance(told, dict):
            problem = f"explain answered a {type(told).__name__}; it must be a dict of arrays"
            raise TypeError(problem)
        arrays = {name: np.asarray(value) for name, value in told.items()}
        return {name: _as_bytes(array) if array.dtype.kind in "OSU" else array for name, array in arrays.items()}

    def stream(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> Parts:
        """Call ``predict``, a generator."""
        generator: Any = self._call(inputs, parameters)
        if self._asynchronous:
            return AsyncParts(generator, self._finished, self._loop)
        return GeneratorParts(generator, self._finished)

    def _call(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> object:
        return self._predict(inputs, parameters) if self._takes_parameters else self._predict(inputs)

    def _finished(self, outputs: object) -> dict[str, np.ndarray]:
        if not isinstance(outputs, dict):
            verb = "yielded" if self._decoupled else "answered"
            problem = f"predict {verb} a {type(outputs).__name__}; it must be a dict of arrays"
            raise TypeError(problem)
        for name in self._bytes_outputs:
            if name in outputs:
                outputs[name] = _as_bytes(outputs[name])
        return outputs

    def warm_inputs(self) -> dict[str, np.ndarray] | None:
        """What the model's ``warmup`` gives."""
        warmup: Callable[[], dict[str, np.ndarray] | None] | None = getattr(self._model, "warmup", None)
        return warmup() if warmup else None

    def close(self) -> None:
        """Call the model's ``close``, once."""
        close: Callable[[], None] | None = getattr(self._model, "close", None)
        if close and not self._closed:
            close()
        self._closed = True

    _closed = False

    @staticmethod
    def _load(reference: str, path: Path | None) -> Predicts:
        found = find_class(reference, path if path and path.is_dir() else None)
        if not callable(getattr(found, "predict", None)):
            raise BadArtefact(reference, "the class has no method 'predict'", "write predict(self, inputs)")
        model: Predicts = found()
        load: Callable[[Path | None], None] | None = getattr(model, "load", None)
        if load:
            load(path)
        return model

    def _signature(self, reference: str, override: Signature | None) -> Signature:
        signature: Any = override or getattr(self._model, "signature", None)
        if not isinstance(signature, Signature):
            problem = "it has no signature" if signature is None else f"its signature is a {type(signature).__name__}"
            raise BadArtefact(
                reference, problem, "set signature = pumice.Signature(inputs=[…], outputs=[…]) in the class"
            )
        return signature


def _predict_of(reference: str, model: Predicts) -> tuple[_Predict, bool]:
    """Return ``predict`` and whether it takes the parameters besides the inputs."""
    predict = model.predict
    if inspect.iscoroutinefunction(predict):
        mend = "make it a plain function, or a generator if it answers in parts"
        raise BadArtefact(reference, "its predict is asynchronous", mend)
    signature = inspect.signature(predict)
    places = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    # a second argument that has a default and another name is the model's own, as in predict(inputs, batch_size=8)
    takes_parameters = len(places) > 1 and (
        places[1].default is inspect.Parameter.empty or places[1].name == "parameters"
    )
    try:
        signature.bind(*range(2 if takes_parameters else 1))
    except TypeError:
        mend = "write predict(self, inputs) or predict(self, inputs, parameters)"
        raise BadArtefact(reference, f"its predict takes {signature}", mend) from None
    return predict, takes_parameters


def _concurrency(reference: str, model: Predicts, *, asynchronous: bool) -> int:
    """Return how many streams of a model run at once."""
    told = getattr(model, "concurrency", None)
    if told is None:
        return ASYNC_CONCURRENCY if asynchronous else 1
    if not isinstance(told, int) or told < 1:
        raise BadArtefact(reference, f"its concurrency is {told!r}", "set concurrency to a whole number of at least 1")
    return told


def _as_bytes(value: object) -> np.ndarray:
    """Turn text in an array into bytes; what is neither is left for the check of the outputs."""
    array = np.asarray(value)
    items = array.ravel().tolist()
    if array.dtype == object and all(type(item) is bytes for item in items):
        return array
    encoded = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        encoded[index] = item.encode() if isinstance(item, str) else item
    return encoded.reshape(array.shape)
