"""ONNX Runtime's session: opened with our settings, its errors turned into ours."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pumice.domain.errors import BadArtefact, BadSetting, MissingDependency
from pumice.domain.model import Parameter
from pumice.engines.base import EngineConfig
from pumice.engines.onnx.held import HeldSession, open_held
from pumice.engines.onnx.options import OnnxOptions, read_options
from pumice.engines.onnx.providers import choose, runtime_providers, settle
from pumice.engines.onnx.refusals import runtime_errors
from pumice.engines.safety import check_external_data, refuse_unsafe

_ERRORS_ONLY = 3
_NO_VERSION = 2**63 - 1
_LEVELS = {"all": "ENABLE_ALL", "extended": "ENABLE_EXTENDED", "basic": "ENABLE_BASIC", "off": "DISABLE_ALL"}


def open_session(config: EngineConfig) -> tuple[HeldSession, dict[str, Parameter]]:
    """Load a graph.

    Returns:
        ONNX Runtime's session with what it reads, and what was really chosen: provider, device, threads.

    Raises:
        BadArtefact: ONNX Runtime cannot load the file, or its weights lie outside of its folder.
        BadSetting: A setting is unknown or not possible here.
        MissingDependency: ONNX Runtime is not installed, or is a build without the provider.
        UnsafeArtefact: The file is no graph but may run code when it is read.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependency("the onnx engine", f"onnxruntime ({error})", "pip install onnxruntime") from error
    path = Path(config.path)
    refuse_unsafe(path)
    weights = check_external_data(path, held=config.held)
    options, of_providers = read_options(config.manifest.options)
    chosen = choose(config.provider, onnxruntime.get_available_providers())
    providers = runtime_providers(chosen, config.device, of_providers)
    make = partial(_session_options, onnxruntime, config, options)
    try:
        if config.held and weights:
            opened = open_held(onnxruntime, path, sorted(weights), make, providers)
        else:
            # without enable_fallback=0 it prints, and goes on with another provider than the one asked for
            opened = HeldSession(onnxruntime.InferenceSession(config.path, make(), providers, enable_fallback=0))
    except runtime_errors() as error:
        problem = str(error).strip().splitlines()[0]
        if of_providers:
            raise BadSetting("manifest 'options'", str(of_providers), f"what the provider takes: {problem}") from error
        mend = (
            "export it again, install an onnxruntime that is new enough for its opset, or name the library of its "
            "own operators as trust.custom_ops in the server's settings"
        )
        raise BadArtefact(config.path, f"ONNX Runtime cannot load it: {problem}", mend) from error
    real = settle(config.provider, chosen, opened.session.get_providers())
    return opened, {"provider": real, "device": config.device, "threads": config.threads}


def read_metadata(session: Any) -> dict[str, str]:
    """What the file says of itself, its own keys among it."""
    meta = session.get_modelmeta()
    said = {
        "producer": meta.producer_name,
        "description": meta.description,
        "graph": meta.graph_name,
        "domain": meta.domain,
        "version": str(meta.version) if 0 < meta.version < _NO_VERSION else "",
    }
    own: dict[str, str] = meta.custom_metadata_map
    return own | {key: value for key, value in said.items() if value}


def _session_options(onnxruntime: Any, config: EngineConfig, options: OnnxOptions) -> Any:
    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads = config.threads
    made.inter_op_num_threads = 1
    made.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    made.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{_LEVELS[options.optimization]}")
    made.add_session_config_entry("session.intra_op.allow_spinning", str(int(options.spinning)))
    # a pattern is kept for every shape that ever came: batches and texts of any length would fill the memory
    # (its gain, measured: none for a small network, 2 % for a transformer)
    made.enable_mem_pattern = False
    made.log_severity_level = _ERRORS_ONLY
    for library in config.trust.custom_ops:
        try:
            made.register_custom_ops_library(library)
        except runtime_errors() as error:
            problem = str(error).strip().splitlines()[0]
            raise BadSetting(
                "trust.custom_ops", library, f"libraries with operators of ONNX Runtime ({problem})"
            ) from None
    return made
