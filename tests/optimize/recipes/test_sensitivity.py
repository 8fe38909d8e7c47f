"""A network with one layer that 8 bits ruin: it is found, and it alone is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pumice.domain.errors import BadSetting
from pumice.domain.model import Manifest
from pumice.engines.processor import this_processor
from pumice.optimize.passes.base import Batches, ModelFolder, Supplies
from pumice.optimize.passes.int8_static import Int8Static
from pumice.optimize.recipes import Recipe, Step, build
from pumice.optimize.sensitivity import Search, find_sensitive
from pumice.optimize.sensitivity.search import LeaveOut
from tests.engines.graphs import node, save, tensor

SUITED = dict(Int8Static.suited(this_processor()))


@pytest.fixture
def network(tmp_path: Path) -> ModelFolder:
    """Six layers; the third has activations of which one channel is a thousand times the others."""
    random = np.random.default_rng(0)
    folder = tmp_path / "network"
    folder.mkdir()
    weights: dict[str, np.ndarray] = {
        f"w{n}": np.linalg.qr(random.normal(size=(32, 32)))[0].astype(np.float32) for n in range(6)
    }
    spread = np.ones(32, np.float32)
    spread[7] = 1000
    weights["spread"] = spread
    nodes = []
    last = "x"
    for n in range(6):
        if n == 2:
            nodes.append(node("Mul", [last, "spread"], ["wide"], name="spread"))
            weights["w2"] = (weights["w2"] / spread[:, None]).astype(np.float32)
            last = "wide"
        nodes.append(node("MatMul", [last, f"w{n}"], [f"h{n}"], name=f"layer{n}"))
        last = f"h{n}"
    nodes[-1].output[0] = "y"
    save(folder / "model.onnx", nodes, [tensor("x", "FP32", ["b", 32])], [tensor("y", "FP32", ["b", 32])], weights)
    return ModelFolder(folder, Manifest(format="onnx", model="model.onnx"))


def batches(seed: int) -> Batches:
    random = np.random.default_rng(seed)
    made = [{"x": random.normal(size=(32, 32)).astype(np.float32)} for _ in range(2)]
    return lambda: made


def test_the_one_layer_that_suffers_is_found(network: ModelFolder, tmp_path: Path) -> None:
    supplies, search = Supplies(calibration=batches(1)), Search(batches(2))
    found = find_sensitive(Int8Static.of(SUITED), network, supplies, search, LeaveOut(until=0.05))
    assert found.left_out == ("layer2",)
    assert found.reached
    assert found.loss <= 0.05 < found.full_loss
    worst = found.damages[0]
    assert (worst.node, worst.op, worst.kept) == ("layer2", "MatMul", True)
    assert worst.damage > 5 * found.damages[1].damage
    assert len(found.damages) == 6
    assert [damage.kept for damage in found.damages[1:]] == [False] * 5
    # the same by a recipe, which notes what it left out
    recipe = Recipe("x", "", (Step("int8-static", SUITED, LeaveOut(until=0.05)),))
    built = build(recipe, network, tmp_path / "built", supplies, search)
    assert built.sensitivity == found.damages
    assert built.recipe.steps[0].options["nodes_left_out"] == ["layer2"]
    assert built.recipe.deterministic
    again = build(built.recipe, network, tmp_path / "again", supplies)
    assert again.folder.model.read_bytes() == built.folder.model.read_bytes()


def test_a_bound_that_cannot_be_reached_gives_the_best_there_is(network: ModelFolder) -> None:
    supplies, search = Supplies(calibration=batches(1)), Search(batches(2))
    found = find_sensitive(Int8Static.of(SUITED), network, supplies, search, LeaveOut(until=1e-9))
    assert not found.reached
    assert found.loss < found.full_loss


def test_little_time_measures_neighbours_together(network: ModelFolder) -> None:
    seen: list[tuple[int, int]] = []
    supplies = Supplies(calibration=batches(1), tell=lambda done, total: seen.append((done, total)))
    times = iter((0.0, 10.0))
    search = Search(batches(2), clock=lambda: next(times))
    found = find_sensitive(Int8Static.of(SUITED), network, supplies, search, LeaveOut(until=0.05, seconds=30))
    assert sorted(damage.node for damage in found.damages) == ["layer0 … layer1", "layer2 … layer3", "layer4 … layer5"]
    assert found.left_out == ("layer2", "layer3")
    assert seen[-3:] == [(1, 3), (2, 3), (3, 3)]


def test_a_search_needs_inputs(network: ModelFolder, tmp_path: Path) -> None:
    recipe = Recipe("x", "", (Step("int8-static", SUITED, LeaveOut()),))
    with pytest.raises(BadSetting, match="--data"):
        build(recipe, network, tmp_path / "built", Supplies(calibration=batches(1)))
    assert [file.name for file in tmp_path.iterdir()] == ["network"]
