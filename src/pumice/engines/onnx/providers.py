"""Execution providers: which one is wanted, which one is there, which one it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pumice.domain.errors import BadSetting, MissingDependency
from pumice.domain.model import Parameter

AUTO = "auto"
CPU = "cpu"

ProviderOptions = dict[str, str]


@dataclass(frozen=True)
class Provider:
    """One execution provider.

    Attributes:
        runtime_name: ONNX Runtime's name of it.
        package: The build of ONNX Runtime that has it.
        has_devices: Whether it counts its devices (``device_id``).
    """

    runtime_name: str
    package: str
    has_devices: bool = False


PROVIDERS: Mapping[str, Provider] = {
    CPU: Provider("CPUExecutionProvider", "onnxruntime"),
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu", has_devices=True),
    "tensorrt": Provider("TensorrtExecutionProvider", "onnxruntime-gpu", has_devices=True),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime"),
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", has_devices=True),
}
"""Providers by their short names."""

# Best first. TensorRT and CoreML are not chosen unasked: TensorRT builds for minutes at the first start, and CoreML
# comes with every build for macOS, computes in FP16 and is often slower than the CPU.
_AUTOMATIC = ("cuda", "directml", "openvino")


def choose(wanted: str, available: Sequence[str]) -> str:
    """Decide on a provider.

    Args:
        wanted: A short name, or ``auto``.
        available: ONNX Runtime's names of the providers in the installed build.

    Returns:
        The short name.

    Raises:
        BadSetting: There is no such provider.
        MissingDependency: The installed build does not have it.
    """
    here = [name for name, provider in PROVIDERS.items() if provider.runtime_name in available]
    if wanted == AUTO:
        return next((name for name in _AUTOMATIC if name in here), CPU)
    if wanted not in PROVIDERS:
        raise BadSetting("provider", repr(wanted), f"{AUTO}, {', '.join(PROVIDERS)}; available here: {', '.join(here)}")
    if wanted not in here:
        package = PROVIDERS[wanted].package
        # all builds install the same module: one beside the other leaves a mixture
        raise MissingDependency(
            f"provider '{wanted}' (available here: {', '.join(here)})",
            f"a build of {package} that has it",
            f"pip uninstall -y onnxruntime && pip install {package}",
        )
    return wanted


def runtime_providers(
    name: str, device: int, options: Mapping[str, ProviderOptions]
) -> list[tuple[str, ProviderOptions]]:
    """List the providers of a session in ONNX Runtime's form: the chosen one, then those that it falls back on.

    Args:
        name: Short name of the chosen provider.
        device: Number of the device.
        options: Options by short name.

    Raises:
        BadSetting: The provider has no such device, or there are options of a provider that is not used.
    """
    names = list(dict.fromkeys((name, *(("cuda",) if name == "tensorrt" else ()), CPU)))
    strange = next((other for other in options if other not in names), None)
    if strange:
        raise BadSetting(f"options of provider '{strange}'", str(options[strange]), f"options of {', '.join(names)}")
    if device and not PROVIDERS[name].has_devices:
        raise BadSetting("device", str(device), f"0: provider '{name}' has one device only")
    listed = []
    for each in names:
        provider = PROVIDERS[each]
        own = {"device_id": str(device)} if provider.has_devices else {}
        listed.append((provider.runtime_name, own | options.get(each, {})))
    return listed


def settle(wanted: str, chosen: str, running: Sequence[str]) -> str:
    """Tell which provider a session really uses.

    ONNX Runtime goes on without a provider that cannot start, for example where a driver is missing.

    Args:
        wanted: The setting.
        chosen: The short name that the session was asked for.
        running: The session's providers by ONNX Runtime's names, best first.

    Raises:
        BadSetting: The provider that the user named cannot start.
    """
    if PROVIDERS[chosen].runtime_name == running[0]:
        return chosen
    real = next((name for name, provider in PROVIDERS.items() if provider.runtime_name == running[0]), running[0])
    if wanted == AUTO:
        return real
    allowed = f"a provider that can start here: '{chosen}' cannot (is its driver there? the log has more), '{real}' can"
    raise BadSetting("provider", repr(wanted), allowed)


def text_of(value: Parameter) -> str:
    """Write an option's value as ONNX Runtime reads it."""
    return str(int(value)) if isinstance(value, bool) else str(value)
