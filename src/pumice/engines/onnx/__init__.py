"""ONNX models, run by ONNX Runtime."""

from pumice.engines.onnx.engine import OnnxEngine

__all__ = ["OnnxEngine"]
