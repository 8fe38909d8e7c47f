"""What ONNX Runtime raises."""

from __future__ import annotations


def runtime_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its own classes have no common parent."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.EPFail,
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NoSuchFile,
        state.NotImplemented,
        state.RuntimeException,
        RuntimeError,
        ValueError,
    )
