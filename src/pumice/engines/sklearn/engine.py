"""The engine of scikit-learn models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pumice.domain.datatypes import BYTES, DATATYPE_NAMES
from pumice.domain.errors import BadArtefact, BadSetting, SignatureMismatch
from pumice.domain.model import Parameter
from pumice.domain.signature import Signature, Tensor
from pumice.engines.agree import agreed
from pumice.engines.base import Engine, EngineConfig, Traits
from pumice.engines.sklearn.loading import load_estimator

_PROBE_ROWS = 2
_Function = Callable[[Any], Any]


class SklearnEngine(Engine):
    """Runs an estimator or a pipeline of scikit-learn, saved with skops.

    Input: ``x`` FP64 [-1, features]; ``text`` BYTES [-1] where the first step reads texts. Outputs: ``label`` and,
    where the estimator has them, ``probabilities`` of a classifier; ``label`` of a clustering; ``value`` of a
    regression; ``features`` of a transformer. A manifest's signature may name other numeric datatypes.
    """

    name = "sklearn"
    platform = "sklearn_skops"
    suffixes = (".skops",)

    def __init__(self, config: EngineConfig) -> None:
        if config.manifest.options:
            key, value = next(iter(config.manifest.options.items()))
            raise BadSetting(f"option '{key}'", str(value), "nothing: the sklearn engine has no options")
        if config.provider not in {"auto", "cpu"} or config.device:
            given = f"{config.provider}, device {config.device}"
            raise BadSetting("provider", given, "auto or cpu: scikit-learn computes on the processor")
        self._label = config.label
        self._model = load_estimator(config)
        self._limits = _limit_threads(self._model, config.threads)
        self._functions = _functions(self._model)
        found = self._find_signature(config.path)
        said = agreed(config.manifest.signature, found, config.path, datatypes=False)
        self.signature = _castable(said, found, config.path)
        self._wanted = {tensor.name: tensor.dtype for tensor in self.signature.outputs}
        self.traits = Traits(
            batchable=self.signature.batchable,
            placement={"provider": "cpu", "device": 0, "threads": config.threads},
            metadata={"estimator": type(self._model).__name__, **_feature_names(self._model)},
        )

    def run(self, inputs: Mapping[str, np.ndarray], parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
        """Run the estimator once; it has no parameters.

        Raises:
            SignatureMismatch: A text is not UTF-8.
        """
        del parameters
        given = self._texts(inputs["text"]) if self._reads_text else inputs["x"]
        answers = {}
        for name, dtype in self._wanted.items():
            array = _array(self._functions[name](given))
            answers[name] = array if array.dtype == dtype else array.astype(dtype)
        return answers

    def close(self) -> None:
        """Free the model, and give its threads back."""
        self._model = None
        self._functions.clear()
        if self._limits is not None:
            self._limits.restore_original_limits()
        self._limits = None

    def _find_signature(self, path: str) -> Signature:
        """Find the inputs by what the estimator was fitted on, the outputs by two rows."""
        if not self._functions:
            problem = f"a {type(self._model).__name__} has neither 'predict' nor 'transform'"
            raise BadArtefact(path, problem, "save a fitted estimator or pipeline")
        width: int | None = getattr(self._model, "n_features_in_", None)
        self._reads_text = width is None and _reads_text(self._model)
        if width is None and not self._reads_text:
            raise BadArtefact(path, "it does not say how many features it takes", "fit it before it is saved")
        given: Any = ["a"] * _PROBE_ROWS if self._reads_text else np.zeros((_PROBE_ROWS, width))
        # scikit-learn would say at every call that columns have no names here
        warnings.filterwarnings("ignore", message=".*does not have valid feature names", category=UserWarning)
        try:
            outputs = [_tensor(name, _array(function(given)), path) for name, function in self._functions.items()]
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            problem = f"it cannot be run on an array: {str(error).splitlines()[0]}"
            mend = "fit it on arrays and choose columns by number, or serve it as a Python model"
            raise BadArtefact(path, problem, mend) from error
        taken = Tensor("text", BYTES, [-1]) if width is None else Tensor("x", "FP64", [-1, int(width)])
        return Signature(inputs=[taken], outputs=outputs)

    def _texts(self, array: np.ndarray) -> list[str]:
        texts = []
        for row, item in enumerate(array.tolist()):
            try:
                texts.append(item.decode())
            except UnicodeDecodeError as error:
                given = f"bytes that are not UTF-8 ({error.reason} at {error.start})"
                raise SignatureMismatch(self._label, f"input 'text'[{row}]", given, "UTF-8 text") from None
        return texts


def _functions(model: Any) -> dict[str, _Function]:
    """What is asked of the model for each output."""
    from sklearn.base import is_regressor

    if not hasattr(model, "predict"):
        return {"features": model.transform} if hasattr(model, "transform") else {}
    if is_regressor(model):
        return {"value": model.predict}
    functions: dict[str, _Function] = {"label": model.predict}
    several = isinstance(getattr(model, "classes_", None), list)
    if hasattr(model, "predict_proba") and not several:
        functions["probabilities"] = model.predict_proba
    return functions


def _reads_text(model: Any) -> bool:
    """Whether the model, or the first step of a pipeline, is one of scikit-learn's readers of text."""
    steps = getattr(model, "steps", None)
    first = steps[0][1] if steps else model
    return hasattr(first, "build_analyzer") and hasattr(first, "decode")


def _array(answer: Any) -> np.ndarray:
    """A row-major array without types that cannot be sent: sparse becomes dense, text becomes bytes."""
    array = np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)
    if array.dtype.kind in "UO":
        encoded = np.empty(array.size, dtype=object)
        encoded[:] = [item.encode() if isinstance(item, str) else str(item).encode() for item in array.ravel().tolist()]
        return encoded.reshape(array.shape)
    return array


def _tensor(name: str, array: np.ndarray, path: str) -> Tensor:
    datatype = DATATYPE_NAMES.get(array.dtype)
    if datatype is None or array.shape[:1] != (_PROBE_ROWS,):
        problem = f"its {name} is {array.dtype} {list(array.shape)} for {_PROBE_ROWS} rows"
        raise BadArtefact(path, problem, "serve it as a Python model")
    return Tensor(name, datatype, [-1, *array.shape[1:]])


def _castable(said: Signature, found: Signature, path: str) -> Signature:
    """Refuse a manifest that calls text a number or a number text."""
    own = {tensor.name: tensor.datatype for tensor in (*found.inputs, *found.outputs)}
    for tensor in (*said.inputs, *said.outputs):
        if tensor.datatype != own[tensor.name] and BYTES in (tensor.datatype, own[tensor.name]):
            problem = f"'{tensor.name}' is {own[tensor.name]}"
            raise BadArtefact(path, problem, f"mend the manifest's signature, which says {tensor}")
    return said


def _limit_threads(model: Any, threads: int) -> Any:
    """Let native libraries use so many threads, and joblib one: its threads add up in any order."""
    from threadpoolctl import threadpool_limits

    parameters = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    jobs = {key: 1 for key in parameters if key == "n_jobs" or key.endswith("__n_jobs")}
    if jobs:
        model.set_params(**jobs)
    return threadpool_limits(limits=threads)


def _feature_names(model: Any) -> dict[str, str]:
    names = getattr(model, "feature_names_in_", None)
    return {} if names is None else {"features": ", ".join(map(str, names))}
