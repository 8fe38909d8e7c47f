"""Asks the model for some rows; if they are refused together, the bad ones are found by halving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pumice.cli.batch.writing import ERROR
from pumice.client import BadAnswer, Client
from pumice.client.predictions import joined, typed
from pumice.domain.errors import BadRequest, ModelError, Unfit
from pumice.domain.signature import Tensor
from pumice.tables.items import item_of
from pumice.tables.rows import Row

_OF_THE_ROW = (Unfit, BadRequest, ModelError)
"""Errors that may be those of a row alone; all others end the job."""

_TOLD = ("label", "score", "embedding")
"""Outputs that a text's or image's result consists of, where the model has them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How rows are turned into results; used by several threads.

    Attributes:
        client: Speaks to the server.
        model: Name of the model.
        version: Its version; empty: the newest.
        inputs: Its inputs that are columns of the file.
        outputs: Its outputs that are wanted.
        carried: Columns that go through.
        prefix: What stands before the names of the outputs.
    """

    client: Client
    model: str
    version: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    carried: Sequence[str]
    prefix: str

    def results(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return one result a row, in their order; one that has none has an ``error`` instead.

        Raises:
            PumiceError: The server does not answer, or not for reasons of the rows.
        """
        told = [{name: row.values.get(name) for name in self.carried} for row in rows]
        good = [index for index, row in enumerate(rows) if not row.error]
        for index, row in enumerate(rows):
            if row.error:
                told[index][ERROR] = row.error
        for index, answer in zip(good, self._ask([rows[index] for index in good]), strict=True):
            told[index] |= answer
        return told

    def _ask(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        if not rows:
            return []
        try:
            return self._infer(rows)
        except _OF_THE_ROW as error:
            if len(rows) == 1:
                return [{ERROR: error.message}]
        half = len(rows) // 2
        return self._ask(rows[:half]) + self._ask(rows[half:])

    def _infer(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        if any(tensor.shape[:1] != [-1] for tensor in self.inputs):
            return [self._infer_one(row) for row in rows]
        arrays = {
            tensor.name: joined(self.model, tensor, [item_of(tensor, row.values) for row in rows])
            for tensor in self.inputs
        }
        outputs = self._outputs(arrays)
        if any(len(array) != len(rows) for array in outputs.values()):
            shapes = {name: list(array.shape) for name, array in outputs.items()}
            raise BadAnswer(f"model '{self.model}'", f"{len(rows)} rows were sent, the outputs have {shapes}")
        return [{self.prefix + name: array[row] for name, array in outputs.items()} for row in range(len(rows))]

    def _infer_one(self, row: Row) -> dict[str, Any]:
        try:
            arrays = {tensor.name: typed(self.model, tensor, item_of(tensor, row.values)) for tensor in self.inputs}
            return {self.prefix + name: array for name, array in self._outputs(arrays).items()}
        except _OF_THE_ROW as error:
            return {ERROR: error.message}

    def _outputs(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        answer = self.client.infer_raw(self.model, arrays, version=self.version)
        return {tensor.name: answer.outputs[tensor.name] for tensor in self.outputs}


def wanted_outputs(outputs: Sequence[Tensor]) -> list[Tensor]:
    """Choose what a result consists of: a task's own outputs, or all."""
    return [tensor for tensor in outputs if tensor.name in _TOLD] or list(outputs)
