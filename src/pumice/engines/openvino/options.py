"""Options of the OpenVINO engine, as a manifest's ``options`` give them."""

from __future__ import annotations

from typing import Literal

import msgspec


class OpenvinoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is compiled.

    Attributes:
        dtype: In what the device computes: FP32 (nothing is lost unasked), BF16 or FP16 where it has them, or what
            OpenVINO chooses.
        device: A device of OpenVINO (``CPU``, ``GPU``, ``NPU``, ``AUTO``); `device` of the settings numbers it.
        performance: What it is tuned for; a replica computes one batch at a time, so latency is the right one nearly
            always.
    """

    dtype: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"
    device: str = "CPU"
    performance: Literal["latency", "throughput"] = "latency"
