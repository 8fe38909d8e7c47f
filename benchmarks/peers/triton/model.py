"""The model behind Triton's Python backend: one call of ONNX Runtime a batch."""

import json

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = config["parameters"]["model"]["string_value"]
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.output = config["output"][0]["name"]

    def execute(self, requests):
        get = pb_utils.get_input_tensor_by_name
        columns = {name: [get(request, name).as_numpy() for request in requests] for name in self.inputs}
        sizes = [len(rows) for rows in columns[self.inputs[0]]]
        feed = {name: np.concatenate(rows) for name, rows in columns.items()}
        (out,) = self.session.run(None, feed)
        parts = np.split(out, np.cumsum(sizes)[:-1])
        return [pb_utils.InferenceResponse([pb_utils.Tensor(self.output, part)]) for part in parts]
