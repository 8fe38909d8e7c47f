"""From a file to a compiled model: OpenVINO's settings out of ours, its errors turned into ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact, BadSetting, MissingDependency
from pumice.domain.model import Parameter
from pumice.engines.base import EngineConfig
from pumice.engines.openvino.options import OpenvinoOptions
from pumice.engines.safety import check_external_data, refuse_unsafe

_PROVIDERS = ("auto", "cpu", "openvino")
_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_WITHOUT_NUMPY = "bf16"


def import_openvino() -> Any:
    """Import OpenVINO.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        install = "pip install 'pumice[openvino]'"
        raise MissingDependency("the openvino engine", f"openvino ({error})", install) from error
    return openvino


def read_model(openvino: Any, core: Any, path: Path, *, held: bool = False) -> Any:
    """Read a file; tensors that NumPy has no type for (BF16) become FP32 at the border.

    Args:
        openvino: The library.
        core: Its core.
        path: The file.
        held: Its folder has nothing in it but links that the server has made.

    Raises:
        BadArtefact: It is no `.xml` or `.onnx` that OpenVINO can read, or its weights are not where they should be.
        UnsafeArtefact: It may run code when it is read.
    """
    refuse_unsafe(path)
    suffix = path.suffix.lower()
    if suffix == ".xml":
        _check_ir(path, held=held)
    elif suffix == ".onnx":
        check_external_data(path, held=held)
    else:
        raise BadArtefact(str(path), "it is no .xml of OpenVINO and no .onnx", "convert it with openvino.convert_model")
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        raise BadArtefact(str(path), f"OpenVINO cannot read it: {_line(error)}", "convert it again") from error
    return _widened(openvino, model)


def compile_model(core: Any, model: Any, config: EngineConfig, options: OpenvinoOptions) -> Any:
    """Compile a model for a device.

    Raises:
        BadArtefact: The device cannot run it.
        BadSetting: There is no such device, or it does not have the dtype.
    """
    if config.provider not in _PROVIDERS:
        allowed = f"{', '.join(_PROVIDERS)}; the openvino engine takes its device from the option 'device'"
        raise BadSetting("provider", repr(config.provider), allowed)
    device = _device(core, config, options)
    try:
        return core.compile_model(model, device, _settings(core, device, config, options))
    except RuntimeError as error:
        mend = "convert it again, or serve it with another engine"
        raise BadArtefact(config.path, f"OpenVINO cannot compile it for {device}: {_line(error)}", mend) from error


def placement(compiled: Any, config: EngineConfig) -> dict[str, Parameter]:
    """What was really chosen, as OpenVINO reports it."""
    told = compiled.get_property("SUPPORTED_PROPERTIES")
    precision = "INFERENCE_PRECISION_HINT"  # AUTO does not tell it
    return {
        "provider": "openvino",
        "device": ",".join(compiled.get_property("EXECUTION_DEVICES")),
        "threads": config.threads,
        "dtype": compiled.get_property(precision).get_type_name() if precision in told else "auto",
        "performance": str(compiled.get_property("PERFORMANCE_HINT")).rpartition(".")[2].lower(),
    }


def _device(core: Any, config: EngineConfig, options: OpenvinoOptions) -> str:
    here = core.available_devices
    if options.device == "AUTO":
        return "AUTO"
    numbered = [name for name in here if name.partition(".")[0] == options.device]
    device = f"{options.device}.{config.device}" if config.device else options.device
    if not numbered or (config.device and device not in numbered):
        raise BadSetting("option 'device'", repr(device), f"AUTO, {', '.join(here)} (what OpenVINO sees here)")
    return device


def _settings(core: Any, device: str, config: EngineConfig, options: OpenvinoOptions) -> dict[str, Any]:
    settings: dict[str, Any] = {"PERFORMANCE_HINT": options.performance.upper()}
    if device.startswith("CPU"):
        # pinned threads of several replicas would share the first cores and leave the others idle
        settings |= {"INFERENCE_NUM_THREADS": config.threads, "ENABLE_CPU_PINNING": False}
    if options.dtype == "auto":
        return settings
    if device == "AUTO":
        raise BadSetting("option 'dtype'", repr(options.dtype), "auto where the device is AUTO")
    capabilities = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if options.dtype != "fp32" and options.dtype.upper() not in capabilities:
        allowed = f"fp32 or auto: {device} here has {', '.join(capabilities)}"
        raise BadSetting("option 'dtype'", repr(options.dtype), allowed)
    return settings | {"INFERENCE_PRECISION_HINT": _PRECISIONS[options.dtype]}


def _check_ir(path: Path, *, held: bool) -> None:
    with path.open("rb") as file:
        head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith((b"<?xml", b"<net")):
        raise BadArtefact(str(path), "it is no XML", "save it with openvino.save_model")
    weights = path.with_suffix(".bin")
    if weights.exists():
        if not held and not weights.resolve().is_relative_to(path.parent.resolve()):
            raise BadArtefact(str(weights), "it is a link that leads out of the model's folder", "copy the file there")
        refuse_unsafe(weights)


def _widened(openvino: Any, model: Any) -> Any:
    narrow = [
        (side, index)
        for side, ports in (("input", model.inputs), ("output", model.outputs))
        for index, port in enumerate(ports)
        if port.element_type.get_type_name() == _WITHOUT_NUMPY
    ]
    if not narrow:
        return model
    border = openvino.preprocess.PrePostProcessor(model)
    for side, index in narrow:
        getattr(border, side)(index).tensor().set_element_type(openvino.Type.f32)
    return border.build()


def _line(error: Exception) -> str:
    """The last line of an error: OpenVINO puts the places in its own source before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
