"""The probe models for Triton's Python backend; `tests.torture.servers.triton` lays them out."""

from __future__ import annotations

import json
from typing import Any

import behaviour
import numpy as np
import triton_python_backend_utils as pb_utils

DEEDS = {"probe": behaviour.double, "probe_b": behaviour.triple, "probe_text": behaviour.shout}


class TritonPythonModel:
    """One model; its name says which. A batch is joined, run and cut again."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self.deed = DEEDS[config["name"]]
        self.input, self.output = config["input"][0]["name"], config["output"][0]["name"]

    def execute(self, requests: list[Any]) -> list[Any]:
        parts = [pb_utils.get_input_tensor_by_name(request, self.input).as_numpy() for request in requests]
        out = self.deed(np.concatenate(parts))
        cuts = np.cumsum([len(part) for part in parts])[:-1]
        return [pb_utils.InferenceResponse([pb_utils.Tensor(self.output, part)]) for part in np.split(out, cuts)]
