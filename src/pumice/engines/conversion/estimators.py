"""Estimators of scikit-learn: from a pickle, as pickle or joblib wrote it, to skops or ONNX."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pumice.domain.errors import BadArtefact, UnsafeArtefact
from pumice.engines.conversion.result import Converted
from pumice.engines.sklearn.trusted import TRUSTED

_PACKAGES = ("sklearn.", "numpy.", "scipy.", "joblib.")
_FUNCTIONS = frozenset(
    (
        *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
        *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy._core.numeric._frombuffer"),
        *("numpy.random._pickle.__randomstate_ctor", "numpy.random._pickle.__bit_generator_ctor"),
        *("numpy.random._pickle.__generator_ctor", "copyreg._reconstructor"),
        *("collections.OrderedDict", "collections.defaultdict", "builtins.set", "builtins.frozenset", "builtins.slice"),
        *("builtins.object", "builtins.dict", "builtins.list", "builtins.tuple", "builtins.int", "builtins.float"),
        *(
            "builtins.str",
            "builtins.bytes",
            "builtins.bytearray",
            "builtins.bool",
            "builtins.complex",
            "builtins.range",
        ),
        "_codecs.encode",
    )
)
_ROWS = 64
_SEED = 7
_TOLERANCE = 1e-4
_TIES = 0.05
"""Part of the labels that may differ from FP64's: a tie at a threshold falls on the other side in FP32 now and then."""

_METHODS = ("predict_proba", "decision_function", "predict", "transform")
_CODE = "if you trust its author, let its code run in the sandbox: --run-code"


def to_skops(source: str, out: str, *, target: str, run_code: bool) -> Converted:
    """Convert an estimator to skops, and hold its answers to random inputs against the original's.

    Args:
        source: The pickle.
        out: Folder for the result.
        target: Name of the result.
        run_code: Whether objects of any kind may be made; else those of scikit-learn, NumPy and SciPy alone.

    Raises:
        BadArtefact: It is no estimator, or skops cannot hold it.
        UnsafeArtefact: It holds other objects, and `run_code` is not set.
    """
    import sklearn
    import skops
    from skops import io

    notes: list[str] = []
    model = _load(source, run_code=run_code)
    file = Path(out) / target
    io.dump(model, file)
    found = set(io.get_untrusted_types(file=file))
    strange = sorted(found - TRUSTED)
    if strange:
        notes.append(f"types that a server must be told to trust (trust.types): {', '.join(strange)[:500]}")
    again = io.load(file, trusted=sorted(found))
    checked = _compared(model, lambda method, rows: getattr(again, method)(rows), 0.0, notes)
    return Converted([target], checked, notes, {"scikit-learn": sklearn.__version__, "skops": skops.__version__})


def to_onnx(source: str, out: str, *, target: str, run_code: bool) -> Converted:
    """Convert an estimator to ONNX; as `to_skops`, but for the precision of ONNX Runtime's FP32.

    Raises:
        BadArtefact: As `to_skops`; skl2onnx does not know a part of it; or its answers differ by more than 1e-4.
        UnsafeArtefact: As `to_skops`.
    """
    import onnxruntime
    import skl2onnx

    notes: list[str] = []
    model = _load(source, run_code=run_code)
    rows = _rows(model)
    if rows is None:
        raise BadArtefact(source, "it does not say how many numbers it takes", "convert it to .skops")
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    graph = skl2onnx.to_onnx(model, rows[:1].astype(np.float32), options=options)
    file = Path(out) / target
    file.write_bytes(graph.SerializeToString())
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = {"predict": 0, "predict_proba": 1, "transform": 0}

    def run(method: str, given: np.ndarray) -> Any:
        answers = session.run(None, {session.get_inputs()[0].name: given.astype(np.float32)})
        answer = answers[names[method]]
        return answer[:, 0] if answer.ndim == 2 and answer.shape[1] == 1 and method == "predict" else answer

    checked = _compared(model, run, _TOLERANCE, notes, tuple(names))
    return Converted([target], checked, notes, {"skl2onnx": skl2onnx.__version__})


def _load(source: str, *, run_code: bool) -> Any:
    import joblib
    from joblib import numpy_pickle

    refused: list[str] = []

    class Plain(numpy_pickle.NumpyUnpickler):  # type: ignore[misc]
        """Makes objects of known libraries alone."""

        def find_class(self, module: str, name: str) -> Any:
            full = f"{module}.{name}"
            if full in _FUNCTIONS:
                return super().find_class(module, name)
            if full.startswith(_PACKAGES) and "." not in name:
                found = super().find_class(module, name)
                if isinstance(found, type) or name.startswith("__pyx_unpickle"):
                    return found
            refused.append(full)
            message = full
            raise pickle.UnpicklingError(message)

    if not run_code:
        numpy_pickle.NumpyUnpickler = Plain  # joblib has no other way to say which classes; this process ends with this
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return joblib.load(source)
        except pickle.UnpicklingError:
            if refused:
                raise UnsafeArtefact(source, f"a pickle with objects of its own ({refused[0]})", _CODE) from None
            raise


def _rows(model: Any) -> np.ndarray | None:
    """Random inputs, where the model says how many numbers it takes."""
    width = getattr(model, "n_features_in_", None)
    return None if width is None else np.random.default_rng(_SEED).normal(size=(_ROWS, int(width)))


def _compared(model: Any, other: Any, tolerance: float, notes: list[str], methods: tuple[str, ...] = _METHODS) -> str:
    """Hold the answers to random inputs against each other.

    Raises:
        BadArtefact: They differ.
    """
    rows = _rows(model)
    name = type(model).__name__
    given: Any = rows
    if rows is None:
        if not hasattr(model, "predict") and not hasattr(model, "transform"):
            raise BadArtefact(name, "it is no estimator of scikit-learn", "convert the estimator itself")
        given = ["some words", "other words and more", ""]
    elif tolerance:
        given = rows.astype(np.float32)
    done = []
    for method in methods:
        if not hasattr(model, method):
            continue
        try:
            wanted = _dense(getattr(model, method)(given))
        except (ValueError, TypeError, AttributeError) as error:
            notes.append(f"{method} could not be compared ({str(error).splitlines()[0][:200]})")
            continue
        got = _dense(other(method, given))
        _hold(name, method, wanted, got, tolerance)
        done.append(method)
    exact = "equal" if not tolerance else f"figures equal within {tolerance:g}, labels in at least {1 - _TIES:.0%}"
    return f"{', '.join(done)} on {len(given)} random rows: {exact}" if done else "loaded again; nothing to compare"


def _hold(name: str, method: str, wanted: np.ndarray, got: np.ndarray, tolerance: float) -> None:
    if wanted.shape != got.shape:
        raise BadArtefact(
            name, f"{method} of the result has shape {got.shape}, not {wanted.shape}", "convert it to .skops"
        )
    if wanted.dtype.kind not in "fc" or not tolerance:
        same = np.array_equal(wanted, got, equal_nan=wanted.dtype.kind in "fc")
        different = float((wanted != got).mean()) if wanted.size else 0.0
        if not same and (not tolerance or different > _TIES):
            raise BadArtefact(name, f"{method} of the result differs from the original's", "convert it to .skops")
        return
    if not np.allclose(wanted, got, rtol=tolerance, atol=tolerance):
        most = float(np.abs(wanted - got).max())
        raise BadArtefact(name, f"{method} of the result differs by up to {most:.3g}", "convert it to .skops")


def _dense(answer: Any) -> np.ndarray:
    return np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)
