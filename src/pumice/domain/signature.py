"""Named tensors that a model takes and gives, and the check of a request against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from pumice.domain.datatypes import BYTES, DATATYPE_NAMES, NUMPY_TYPES
from pumice.domain.errors import BadSetting, SignatureMismatch

Arrays = Mapping[str, np.ndarray]
"""Tensors by name."""

MAX_RANK = 32
"""The most axes that a tensor may have."""

FREE_AXIS = 16
"""Size of free axes in made-up inputs: short, and long enough for most convolutions."""


class Tensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """One named tensor of a signature.

    Attributes:
        name: Any non-empty string.
        datatype: A name of `pumice.domain.datatypes.NUMPY_TYPES`.
        shape: Sizes of the axes; -1 is any size. In a batchable signature the first -1 is the batch.
        optional: The input may be left out.
    """

    name: str
    datatype: str
    shape: list[int]
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse what no tensor can be.

        Raises:
            BadSetting: The name is empty, the datatype unknown, or the shape impossible.
        """
        if not self.name:
            raise BadSetting("signature", "a tensor without a name", "a non-empty name")
        if self.datatype not in NUMPY_TYPES:
            raise BadSetting(f"datatype of tensor '{self.name}'", repr(self.datatype), ", ".join(NUMPY_TYPES))
        if len(self.shape) > MAX_RANK or any(size < -1 for size in self.shape):
            raise BadSetting(f"shape of tensor '{self.name}'", str(self.shape), f"up to {MAX_RANK} sizes >= 0, or -1")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The numpy type."""
        return NUMPY_TYPES[self.datatype]

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an array of this shape may stand here."""
        own = self.shape
        if len(own) != len(shape):
            return False
        return all(want in (-1, size) for want, size in zip(own, shape, strict=True))

    @property
    def fixed_tail(self) -> tuple[int, ...] | None:
        """The sizes after a free first axis, or None where comparing them cannot decide whether a shape fits."""
        if self.shape and self.shape[0] == -1 and -1 not in self.shape[1:]:
            return tuple(self.shape[1:])
        return None

    def __str__(self) -> str:
        return f"{self.datatype} {self.shape}"


class Signature(msgspec.Struct, frozen=True):
    """What a model takes and what it gives.

    Attributes:
        inputs: Tensors of a request.
        outputs: Tensors of an answer.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]

    def __post_init__(self) -> None:
        """Refuse double names.

        Raises:
            BadSetting: Two inputs or two outputs have one name.
        """
        for side, tensors in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = [t.name for t in tensors]
            if len(set(names)) != len(names):
                raise BadSetting(f"signature {side}", str(names), "names that differ")

    @property
    def batchable(self) -> bool:
        """Whether every tensor's first axis is free, so that rows of several callers can be joined."""
        tensors = [*self.inputs, *self.outputs]
        return bool(self.inputs) and all(t.shape and t.shape[0] == -1 for t in tensors)


class SignatureCheck:
    """A signature made ready to check many requests cheaply.

    Args:
        model: Name of the model, for the messages.
        signature: What the model takes.
        batchable: All inputs must then agree in their first axis.
    """

    __slots__ = ("_batchable", "_inputs", "_model", "_required")

    def __init__(self, model: str, signature: Signature, *, batchable: bool) -> None:
        self._model = model
        self._inputs = {t.name: (t, t.dtype, t.fixed_tail) for t in signature.inputs}
        self._required = [t.name for t in signature.inputs if not t.optional]
        self._batchable = batchable

    def rows(self, inputs: Arrays) -> int:
        """Check the inputs of one request and return how many rows it has (1 if the model is not batchable).

        Raises:
            SignatureMismatch: A name, datatype or shape does not fit.
        """
        specs = self._inputs
        rows = -1
        for name, array in inputs.items():
            entry = specs.get(name)
            if entry is None:
                raise self._mismatch(f"input '{name}'", "an unknown name", f"the names {sorted(specs)}")
            tensor, dtype, tail = entry
            shape = array.shape
            # numpy keeps one object per built-in type, so identity nearly always decides
            same_type = array.dtype is dtype or array.dtype == dtype
            if not same_type or not (shape[1:] == tail and shape if tail is not None else tensor.fits(shape)):
                given = f"{DATATYPE_NAMES.get(array.dtype, array.dtype)} {list(shape)}"
                raise self._mismatch(f"input '{name}'", given, str(tensor))
            if self._batchable:
                if rows not in (-1, shape[0]):
                    raise self._mismatch(f"input '{name}'", f"{shape[0]} rows", f"{rows} as in the others")
                rows = shape[0]
        if len(inputs) < len(specs):
            self._check_missing(inputs)
        if rows == 0:
            raise self._mismatch("the request", "0 rows", "at least 1 row")
        return max(rows, 1)

    def nonfinite(self, name: str) -> SignatureMismatch:
        """Build the error of an input that holds NaN or infinity."""
        return self._mismatch(f"input '{name}'", "NaN or infinity", "finite numbers")

    def _check_missing(self, inputs: Arrays) -> None:
        missing = [name for name in self._required if name not in inputs]
        if missing:
            raise self._mismatch("the request", f"no input {missing}", f"all of {self._required}")

    def _mismatch(self, what: str, given: str, allowed: str) -> SignatureMismatch:
        return SignatureMismatch(self._model, what, given, allowed)


def zeros(signature: Signature, rows: int = 1) -> dict[str, np.ndarray]:
    """Make inputs that fit a signature: zeros, False and empty texts; optional inputs are left out.

    Args:
        signature: What the model takes.
        rows: Size of a free first axis; other free axes get `FREE_AXIS`.
    """
    arrays: dict[str, np.ndarray] = {}
    for tensor in signature.inputs:
        if not tensor.optional:
            shape = [FREE_AXIS if size == -1 else size for size in tensor.shape]
            if tensor.shape and tensor.shape[0] == -1:
                shape[0] = rows
            arrays[tensor.name] = np.full(shape, b"" if tensor.datatype == BYTES else 0, dtype=tensor.dtype)
    return arrays
