"""Small torch modules, exported for the tests that need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import Dim

from pumice import Model, Signature, Tensor
from pumice.engines.torch import load_state

BATCH = Dim("batch", min=1, max=64)

NUMBERS = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}


def export(path: Path, module: nn.Module, arguments: tuple[Any, ...], shapes: Any, **named: Any) -> Path:
    """Export a module; every free axis is said in `shapes`."""
    torch.manual_seed(7)
    with torch.no_grad():
        program = torch.export.export(module.eval(), arguments, named or None, dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


class Mlp(nn.Module):
    """x FP32 [batch, 16] -> output FP32 [batch, 4]; with a constant and a buffer that is not saved with the weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.layers = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.LayerNorm(32), nn.Linear(32, 4))
        self.scale = torch.full((4,), 2.0)
        self.register_buffer("shift", torch.arange(4.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.layers(x) * self.scale + self.shift
        return answer


class Copies(nn.Module):
    """Gives every number back, in a dictionary."""

    def forward(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {f"out_{name}": tensor.clone() for name, tensor in tensors.items()}


class Encoder(nn.Module):
    """Texts as numbers -> (vectors FP32 [batch, 8], tokens FP32 [batch, length, 8]); attention, padding, einsum."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embed = nn.Embedding(100, 8)
        self.attend = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)

    def forward(self, ids: torch.Tensor, *, mask: torch.Tensor, power: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = self.attend(self.embed(ids), src_key_padding_mask=mask == 0)
        weights = mask.float() / mask.float().sum(1, keepdim=True)
        return torch.einsum("bl,bld->bd", weights, tokens) ** power, tokens


class Nest(nn.Module):
    """No batch: two scalars -> ((sum, [product]), {"less": …})."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[Any, ...]:
        return (a + b, [a * b]), {"less": a < b}


def mlp(path: Path) -> Path:
    """Export `Mlp`."""
    return export(path, Mlp(), (torch.zeros(2, 16),), ({0: BATCH},))


class Served(Model):
    """A torch module of one's own; its weights are the artefact."""

    signature = Signature(inputs=[Tensor("x", "FP32", [-1, 16])], outputs=[Tensor("y", "FP32", [-1, 4])])

    def load(self, path: Path | None) -> None:
        assert path is not None
        torch.set_num_threads(1)
        self.module = Mlp().eval()
        load_state(self.module, path)

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {"y": self.module(torch.from_numpy(inputs["x"].copy())).numpy()}
