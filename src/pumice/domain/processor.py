"""What a processor can do that makes inference fast."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

FEATURES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "x86_64": {
            "avx2": ("avx2",),
            "avx512": ("avx512f",),
            "vnni": ("avx512_vnni", "avx_vnni"),
            "bf16": ("avx512_bf16",),
            "amx": ("amx_tile",),
        },
        "aarch64": {"neon": ("asimd",), "i8mm": ("i8mm",), "bf16": ("bf16",), "sve": ("sve",)},
    }
)
"""Architecture -> what makes inference fast on it -> the kernel's flags of which one is enough."""


class Processor(msgspec.Struct, frozen=True):
    """A processor, as far as it decides which variant of a model is fast.

    Attributes:
        architecture: As the kernel names it: ``x86_64``, ``aarch64``.
        features: What it can do, of `FEATURES`.
    """

    architecture: str
    features: tuple[str, ...] = ()

    @property
    def sums_saturate(self) -> bool:
        """Whether products of 8-bit numbers are summed up in pairs of 16 bits, which they can overflow.

        x86 without VNNI multiplies unsigned activations with signed weights by ``VPMADDUBSW``, whose sum of two
        products saturates; weights of 7 bits keep it from that (ONNX Runtime's "Quantize ONNX Models", "Data type
        selection").
        """
        return self.architecture == "x86_64" and not {"vnni", "amx"} & set(self.features)

    @property
    def has_bf16(self) -> bool:
        """Whether it multiplies BF16 numbers itself; elsewhere they are widened first, which saves no time."""
        return bool({"bf16", "amx"} & set(self.features))


def features_of(architecture: str, flags: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say by the kernel's flags what a processor can and what it cannot do."""
    present = set(flags.split())
    known = FEATURES.get(architecture, {})
    able = tuple(name for name, any_of in known.items() if present.intersection(any_of))
    return able, tuple(name for name in known if name not in able)
