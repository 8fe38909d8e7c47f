"""Options of the torch engine, as a manifest's ``options`` give them."""

from __future__ import annotations

from typing import Literal

import msgspec


class TorchOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a program is run.

    Attributes:
        dtype: In what matrix products, convolutions and attention are computed; everything else keeps the program's
            own dtype, and so do inputs and outputs (torch's autocast; the weights are cast once, when loaded).
            BF16 is fast on processors that have it (AVX512-BF16, AMX), FP16 is for GPUs: on a processor it was 2.4 to
            3.9 times slower than FP32 on a transformer.
        compile: Whether the program goes through ``torch.compile``: it takes tens of seconds at the start and needs a
            C++ compiler.
    """

    dtype: Literal["saved", "bf16", "fp16"] = "saved"
    compile: bool = False
