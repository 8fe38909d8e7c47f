"""A build that fails, crashes or hangs is a finding, and harms nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumice.optimize.race.building import Builders
from pumice.optimize.race.plan import Material
from tests.optimize.race.field import candidate, examples, network


@pytest.fixture
def material(tmp_path: Path) -> Material:
    """What variants are built from."""
    few = examples(8)
    return Material(network(tmp_path / "base", 64), few, few, 0)


@pytest.mark.parametrize(
    ("kind", "seconds", "problem"),
    [
        ("raise", 60.0, 'the process that built it failed: KeyError: "a library\'s own trouble"'),
        ("refuse", 60.0, "it cannot be had; take another"),
        ("hang", 0.5, "it was not built within 0.5 s"),
    ],
)
def test_a_build_that_fails_tells_why_and_leaves_nothing(
    kind: str, seconds: float, problem: str, material: Material, tmp_path: Path
) -> None:
    target = tmp_path / "variants" / kind
    with Builders(seconds) as builders:
        assert builders.build(candidate(kind), material, target).problem.endswith(problem)
    assert list(target.parent.iterdir()) == []


def test_a_build_takes_the_place_of_what_an_interrupted_one_left(material: Material, tmp_path: Path) -> None:
    target = tmp_path / "variants" / "pruned"
    for left in (target, target.with_name("pruned.part")):
        left.mkdir(parents=True)
        (left / "half").touch()
    with Builders(60.0) as builders:
        assert builders.build(candidate("crash"), material, target).problem.endswith("signal 11")
        told = builders.build(candidate("pruned"), material, target)
    assert not told.problem
    assert told.graph
    assert told.graph.ops["MatMul"] == 3
    assert sorted(file.name for file in target.iterdir()) == ["manifest.json", "model.onnx"]
    assert [place.name for place in target.parent.iterdir()] == ["pruned"]
