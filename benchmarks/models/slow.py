"""Models that take a known time and next to no CPU, as one on an accelerator does: the replica sleeps meanwhile."""

import time
from collections.abc import Mapping

import numpy as np

from pumice import Model, Signature, Tensor

Arrays = Mapping[str, np.ndarray]

ROW = Signature(inputs=[Tensor("x", "FP32", [-1, 4])], outputs=[Tensor("y", "FP32", [-1, 4])])


class Single(Model):
    """Doubles a row in 10 ms."""

    signature = ROW

    def predict(self, inputs: Arrays) -> Arrays:
        time.sleep(0.010)
        return {"y": inputs["x"] * 2}


class Batched(Model):
    """Doubles n rows in 8 + 0.25 n ms."""

    signature = ROW

    def predict(self, inputs: Arrays) -> Arrays:
        time.sleep(0.008 + 0.00025 * len(inputs["x"]))
        return {"y": inputs["x"] * 2}
