"""Options of the ONNX engine, as a manifest's ``options`` give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from pumice.domain.errors import BadSetting
from pumice.domain.model import Parameter
from pumice.engines.onnx.providers import PROVIDERS, ProviderOptions, text_of


class OnnxOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of ONNX Runtime; options of a provider are written ``provider.key``, as ``cuda.gpu_mem_limit``.

    Attributes:
        spinning: Whether idle threads of an inference spin rather than sleep. Two threads, two cores, 32 tokens of a
            transformer: spinning is 18 % faster on an idle machine, and takes 1.6 to 2.7 times the CPU and longer on
            one where anything else runs, be it the front process. It matters from two threads on only.
        optimization: How much of the graph ONNX Runtime rewrites.
    """

    spinning: bool = False
    optimization: Literal["all", "extended", "basic", "off"] = "all"


def read_options(options: Mapping[str, Parameter]) -> tuple[OnnxOptions, dict[str, ProviderOptions]]:
    """Split a manifest's options into the runtime's own and those of its providers.

    Raises:
        BadSetting: An option is unknown, or its value is not allowed.
    """
    own: dict[str, Parameter] = {}
    of_providers: dict[str, ProviderOptions] = {}
    for key, value in options.items():
        provider, _, rest = key.partition(".")
        if rest and provider in PROVIDERS:
            of_providers.setdefault(provider, {})[rest] = text_of(value)
        else:
            own[key] = value
    try:
        return msgspec.convert(own, OnnxOptions), of_providers
    except msgspec.ValidationError as error:
        known = f"{', '.join(OnnxOptions.__struct_fields__)}, and PROVIDER.KEY"
        raise BadSetting("manifest 'options'", str(error), known) from None
