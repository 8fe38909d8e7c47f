"""Lets Olive choose a variant of a classifier, the way its documentation does it: a search over its passes.

    optimize.py MODEL.onnx DATA.npz WORK ACCURACY_LOSS

DATA holds the model's one input under its name, and `label`. Prints one line of JSON: the chosen model's file (empty
if its search found none), the pass that made it, the seconds that all took, and what Olive measured of it.
"""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from olive.data.registry import Registry
from olive.workflows import run

EXAMPLES, CALIBRATION, SAMPLES = 4000, 256, 12


class Examples(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """The examples as pairs of inputs and label."""

    def __init__(self, file: str, name: str, start: int, count: int) -> None:
        with np.load(file) as data:
            self.inputs = data[name][start : start + count]
            self.labels = data["label"][start : start + count].astype(np.int64)
        self.name = name

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], int]:
        return {self.name: self.inputs[index]}, int(self.labels[index])


@Registry.register_dataset()
def examples(file: str, name: str, start: int, count: int, **_: Any) -> Examples:
    """The dataset under a name that Olive's configuration can say."""
    return Examples(file, name, start, count)


@Registry.register_post_process()
def highest(output: Any, **_: Any) -> Any:
    """The class with the highest score."""
    scores = output if isinstance(output, torch.Tensor) else next(iter(output.values()))
    return scores.argmax(-1)


def data(title: str, file: str, name: str, start: int, count: int) -> dict[str, Any]:
    """A part of the examples as Olive's configuration says it."""
    return {
        "name": title,
        "type": "DataContainer",
        "load_dataset_config": {
            "type": "examples",
            "params": {"file": file, "name": name, "start": start, "count": count},
        },
        # every part is named: Olive 0.13.0 stumbles over one without a type
        "pre_process_data_config": {"type": "skip_pre_process"},
        "post_process_data_config": {"type": "highest"},
        "dataloader_config": {"type": "default_dataloader", "params": {"batch_size": 16}},
    }


def workflow(model: str, file: str, work: str, loss: float) -> dict[str, Any]:
    """The configuration: dynamic and static INT8, FP16 and 4-bit weights; accuracy first, then latency."""
    session = onnxruntime.InferenceSession(model)
    name, classes = session.get_inputs()[0].name, session.get_outputs()[0].shape[-1]
    accuracy = {
        "name": "accuracy",
        "type": "accuracy",
        "data_config": "judging",
        "sub_types": [
            {
                "name": "accuracy_score",
                "priority": 1,
                "metric_config": {"task": "multiclass", "num_classes": classes},
                "goal": {"type": "max-degradation", "value": loss},
            }
        ],
    }
    latency = {
        "name": "latency",
        "type": "latency",
        "data_config": "judging",
        "sub_types": [{"name": "avg", "priority": 2, "goal": {"type": "percent-min-improvement", "value": 2}}],
    }
    return {
        "input_model": {"type": "ONNXModel", "model_path": model},
        "systems": {
            "here": {
                "type": "LocalSystem",
                "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
            }
        },
        "data_configs": [
            data("calibration", file, name, 0, CALIBRATION),
            data("judging", file, name, CALIBRATION, EXAMPLES),
        ],
        "evaluators": {"both": {"type": "OnnxEvaluator", "metrics": [accuracy, latency]}},
        "passes": {
            "lighter": [
                {"type": "OnnxDynamicQuantization"},
                {"type": "OnnxStaticQuantization", "data_config": "calibration"},
                {"type": "OnnxFloatToFloat16", "keep_io_types": True},
                {"type": "OnnxBlockWiseRtnQuantization"},
            ]
        },
        "search_strategy": {
            "execution_order": "joint",
            "sampler": "random",
            "sampler_config": {"max_samples": SAMPLES, "seed": 7},
        },
        "evaluator": "both",
        "host": "here",
        "target": "here",
        "output_dir": str(Path(work) / "out"),
        "cache_dir": str(Path(work) / "cache"),
        "log_severity_level": 3,
    }


def main() -> None:
    """The command."""
    model, file, work, loss = sys.argv[1:]
    logging.disable(logging.WARNING)
    begun = time.perf_counter()
    found = run(workflow(model, file, work, float(loss)))
    seconds = time.perf_counter() - begun
    best = found.get_best_candidate() if found is not None and found.has_output_model() else None
    told = {
        "model": str(best.model_path) if best else "",
        "seconds": seconds,
        "measured": best.metrics_value if best else {},
        "pass": best.from_pass() if best else "",
    }
    print(json.dumps(told, default=str), flush=True)


if __name__ == "__main__":
    main()
