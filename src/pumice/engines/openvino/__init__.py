"""OpenVINO: its own IR, and ONNX by choice."""

from pumice.engines.openvino.engine import OpenvinoEngine

__all__ = ["OpenvinoEngine"]
