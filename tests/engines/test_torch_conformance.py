"""The torch engine under the public conformance suite."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch.export import Dim

from pumice.engines.conformance import Case, EngineConformance
from pumice.engines.torch import TorchEngine
from tests.engines.arrays import sample
from tests.engines.graphs import config_of
from tests.engines.programs import BATCH, NUMBERS, Copies, Encoder, Nest, export, mlp


class TestTorchEngine(EngineConformance):
    engine = TorchEngine
    datatypes = frozenset(NUMBERS)
    heavy_modules = ("torch", "safetensors")

    @classmethod
    def cases(cls, folder: Path) -> Iterable[Case]:
        rows = np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32)
        yield Case("mlp", config_of(mlp(folder / "mlp.pt2")), {"x": rows}, bad_inputs={"x": rows[:, :3]})
        tensors = {name: torch.zeros(2, 2, dtype=dtype) for name, dtype in NUMBERS.items()}
        copies = export(folder / "copies.pt2", Copies(), (tensors,), ({name: {0: BATCH} for name in NUMBERS},))
        yield Case(
            "every number",
            config_of(copies),
            {f"tensors_{name.lower()}": sample(name, 4, 2) for name in NUMBERS},
        )
        ids, length = torch.ones(2, 5, dtype=torch.int64), Dim("length", min=2, max=32)
        free = {0: BATCH, 1: length}
        encoder = export(
            folder / "encoder.pt2",
            Encoder(),
            (ids,),
            {"ids": free, "mask": free, "power": None},
            mask=torch.ones_like(ids),
            power=2,
        )
        numbers = np.random.default_rng(2).integers(0, 100, size=(4, 7))
        mask = np.tril(np.ones((4, 7), np.int64), 3)
        yield Case("encoder", config_of(encoder), {"ids": numbers, "mask": mask}, tolerance=1e-4)
        nest = export(folder / "nest.pt2", Nest(), (torch.tensor(1.0), torch.tensor(2.0)), None)
        scalars = {"a": np.array(2.0, np.float32), "b": np.array(3.0, np.float32)}
        yield Case("scalars", config_of(nest), scalars)
