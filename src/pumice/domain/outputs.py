"""The check of an answer against the signature; the counterpart of `pumice.domain.signature.SignatureCheck`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pumice.domain.datatypes import BYTES, DATATYPE_NAMES, FLOATS
from pumice.domain.errors import BadOutput
from pumice.domain.signature import Signature


class OutputCheck:
    """A signature made ready to check many answers cheaply.

    Args:
        model: Name of the model, for the messages.
        signature: What the model gives.
        batchable: All outputs must then have as many rows as the inputs.
        allow_nan: NaN is an answer like any other; else it is taken for a model that broke.
    """

    __slots__ = ("_batchable", "_floats", "_model", "_outputs")

    def __init__(self, model: str, signature: Signature, *, batchable: bool, allow_nan: bool = False) -> None:
        self._model = model
        self._outputs = [(t.name, t, t.dtype, t.fixed_tail) for t in signature.outputs]
        self._batchable = batchable
        self._floats = () if allow_nan else tuple(t.name for t in signature.outputs if t.datatype in FLOATS)

    def check(self, outputs: Mapping[str, np.ndarray], rows: int) -> None:
        """Check the outputs of one run.

        Args:
            outputs: What the model gave.
            rows: Size of the inputs' batch axis; not looked at if the model is not batchable.

        Raises:
            BadOutput: A name, type, datatype, shape or number of rows is not what the signature says.
        """
        if len(outputs) != len(self._outputs):
            self._explain_names(outputs)
        batchable = self._batchable
        for name, tensor, dtype, tail in self._outputs:
            array = outputs.get(name)
            if not isinstance(array, np.ndarray):
                raise self._bad(name, "nothing" if array is None else type(array).__name__, str(tensor))
            shape = array.shape
            same_type = array.dtype is dtype or array.dtype == dtype
            if not same_type or not (shape[1:] == tail and shape if tail is not None else tensor.fits(shape)):
                raise self._bad(name, f"{DATATYPE_NAMES.get(array.dtype, array.dtype)} {list(shape)}", str(tensor))
            if batchable and shape[0] != rows:
                raise self._bad(name, f"{shape[0]} rows for {rows} rows", "one row a row")
            if tensor.datatype == BYTES:
                self._check_bytes(name, array)
        for name in self._floats:
            if np.isnan(outputs[name]).any():
                raise self._bad(name, "NaN", "numbers; 'allow_nan_outputs' in the manifest lets NaN out")

    def _check_bytes(self, name: str, array: np.ndarray) -> None:
        for item in array.flat:
            if type(item) is not bytes:
                raise self._bad(name, f"an element of type {type(item).__name__}", "bytes")

    def _explain_names(self, outputs: Mapping[str, np.ndarray]) -> None:
        names = [name for name, *_ in self._outputs]
        raise BadOutput(self._model, "the answer", f"the outputs {sorted(outputs)}", f"the outputs {sorted(names)}")

    def _bad(self, name: str, given: str, allowed: str) -> BadOutput:
        return BadOutput(self._model, f"output '{name}'", given, allowed)
